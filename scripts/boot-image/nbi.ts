import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build as buildPlist } from "plist";
import { efi32Models, models32Bit } from "../../bsdp/mac-models.ts";
import { renderGrubStart } from "../../server/boot/grub.ts";
import { encodeCpio } from "./cpio.ts";
import { Debian } from "./debian.ts";
import { followedDependency } from "./recipe.ts";
import { run } from "./run.ts";
import { sha256 } from "./write-whole.ts";

/**
 * Which Macs a booter is for: 64-bit EFI (from mid-2007 on), 32-bit EFI (2006
 * and early 2007), or both in one file as Apple's own boot.efi has them.
 */
export type NbiEfi = "x64" | "ia32" | "fat";
export const nbiEfis: readonly NbiEfi[] = ["x64", "ia32", "fat"];

export type NbiOptions = {
  /** The folder that gets `bootcast.nbi`. */
  readonly outputDir: string;
  readonly cacheDir: string;
  /** "http://10.77.0.1:8440": the bootcast server, by address, because a booter asks no DNS. */
  readonly server: string;
  /** 1 to 65535; from 4096 the same image on every server. */
  readonly index: number;
  readonly name: string;
  readonly efi: NbiEfi;
  readonly version: string;
  readonly say: (text: string) => void;
};

/** What was written. */
export type NbiResult = {
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number; readonly sha256: string }[];
};

/** Firmware names its cards so, in the order in which it has them. */
const CARDS = ["efinet0", "efinet1", "efinet2", "efinet3", "efinet4", "efinet5"];
const PLACEHOLDER =
  "Nothing is in here. Some NetBoot servers refuse a bundle that has no disk image; bootcast's needs none.\n";

/**
 * Writes our boot loader as a NetBoot bundle, so that a NetBoot server that is
 * there already (Apple's, BSDPy, NetSUS) can give it to its Macs.
 *
 * That server answers only BSDP and TFTP for the bundle, so the booter has
 * everything it needs in itself: GRUB with the bootcast server's address. It
 * asks any DHCP server for an address of its own and then our server by HTTP
 * what this Mac is to boot: the agent when there is an order, its disk when
 * there is none. Kernel and initramfs stay on our server and are always its own.
 *
 * @throws {Fault} BOOT_IMAGE_… with what to install
 */
export async function buildNbi(options: NbiOptions): Promise<NbiResult> {
  const { outputDir, cacheDir, efi, say } = options;
  const platforms = efi === "fat" ? (["ia32", "x64"] as const) : ([efi] as const);
  const debian = new Debian(cacheDir, say);
  const names = ["grub-common", ...platforms.map((platform) => formats[platform].package)];
  const debs = await debian.download(await debian.resolve(names, [], followedDependency));
  const root = await mkdtemp(join(cacheDir, "unpacked-"));
  const booters: Buffer[] = [];
  try {
    say(`unpacking ${debs.size} Debian packages`);
    for (const deb of debs.values()) await run("dpkg-deb", ["--extract", deb, root]);
    for (const platform of platforms) booters.push(await makeBooter(root, platform, options.server));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  const [first, second] = booters;
  const files = new Map<string, Uint8Array>([
    ["i386/booter", second === undefined ? first! : fatProgram(first!, second)],
    ["NetBoot.dmg", Buffer.from(PLACEHOLDER)],
    ["NBImageInfo.plist", Buffer.from(`${buildPlist(nbiKeys(options))}\n`)],
  ]);
  const folder = join(outputDir, "bootcast.nbi");
  say(`writing ${folder}`);
  await writeBundle(outputDir, folder, files);
  const list = [...files].map(([name, content]) => ({ name, sizeBytes: content.length, sha256: sha256(content) }));
  return { folder, files: list };
}

/** The plist: what Apple's server wants, and the keys without which BSDPy stops. */
export function nbiKeys({ index, name, efi, version }: Pick<NbiOptions, "index" | "name" | "efi" | "version">) {
  const unfit = efi32Models.filter((model) => efi === "x64" || models32Bit.includes(model));
  return {
    Architectures: ["i386"],
    BootFile: "booter",
    Description: `bootcast ${version}: registers this Mac and installs what was ordered for it`,
    DisabledSystemIdentifiers: unfit,
    EnabledSystemIdentifiers: efi === "ia32" ? efi32Models.filter((model) => !unfit.includes(model)) : [],
    Index: index,
    IsDefault: false,
    IsEnabled: true,
    IsInstall: true,
    Kind: 1,
    Language: "Default",
    Name: name,
    RootPath: "NetBoot.dmg",
    SupportsDiskless: false,
    Type: "BootFileOnly",
  };
}

/**
 * What GRUB does first: it gets an address. A Mac's firmware does not tell
 * what address it had (it boots by Apple's own protocol, not by PXE), so GRUB
 * asks DHCP by itself, on each card in turn.
 */
export function nbiScript(server: string): string {
  const asking = CARDS.flatMap((card, at) => [
    `  ${at === 0 ? "if" : "elif"} net_bootp ${card}; then`,
    `    set mac=$net_${card}_dhcp_mac`,
  ]);
  return [
    'echo "bootcast: asking for an address"',
    "for try in 1 2 3 4 5 6 7 8 9 10 11 12; do",
    ...asking,
    "  fi",
    '  if [ "$mac" != "" ]; then break; fi',
    '  echo "bootcast: no DHCP server answers; the next try is in 5 seconds. Is the cable plugged in?"',
    "  sleep 5",
    "done",
    renderGrubStart(server, "$mac"),
  ].join("\n");
}

const formats = {
  x64: { package: "grub-efi-amd64-bin", name: "x86_64-efi" },
  ia32: { package: "grub-efi-ia32-bin", name: "i386-efi" },
} as const;

/** What the script and the configurations that it fetches use; old Macs have UGA instead of GOP. */
const modules = [
  ...["normal", "configfile", "echo", "test", "true", "sleep", "minicmd", "boot", "halt", "reboot", "memdisk", "newc"],
  ...["linux", "chain", "search", "search_fs_file", "part_gpt", "part_msdos", "part_apple", "fat", "hfsplus"],
  ...["net", "efinet", "tftp", "http", "all_video", "efi_gop", "efi_uga"],
] as const;

/**
 * GRUB with its script in a small archive, where a GRUB with an archive looks
 * for it: what is given by --config runs before GRUB's language is complete.
 */
async function makeBooter(root: string, platform: keyof typeof formats, server: string): Promise<Buffer> {
  const format = formats[platform].name;
  const archive = join(root, "memdisk.cpio");
  const program = join(root, `booter-${platform}.efi`);
  const content = Buffer.from(nbiScript(server));
  await writeFile(
    archive,
    encodeCpio([
      { path: "boot", type: "directory", permissions: 0o755 },
      { path: "boot/grub", type: "directory", permissions: 0o755 },
      { path: "boot/grub/grub.cfg", type: "file", permissions: 0o644, content },
    ]),
  );
  const libraries = ["lib", "usr/lib"].map((folder) => join(root, folder, "x86_64-linux-gnu")).join(":");
  await run(join(root, "lib64/ld-linux-x86-64.so.2"), [
    ...["--library-path", libraries, join(root, "usr/bin/grub-mkimage")],
    ...["--directory", join(root, "usr/lib/grub", format), "--format", format],
    ...["--memdisk", archive, "--output", program, ...modules],
  ]);
  return readFile(program);
}

/**
 * Two EFI programs in one, which Apple's firmware takes its own from:
 * magic(4) count(4), for each cpu(4) subtype(4) offset(4) bytes(4)
 * alignment(4), all little-endian; then the programs.
 * Source: GRUB's include/grub/macho.h and util/glue-efi.c, whose output it is.
 */
export function fatProgram(ia32: Uint8Array, x64: Uint8Array): Buffer {
  const head = Buffer.alloc(8 + 2 * 20);
  const of64 = head.length + ia32.length;
  const fields = [0x0ef1fab9, 2, 7, 3, head.length, ia32.length, 0, 0x01000007, 3, of64, x64.length, 0];
  for (const [at, field] of fields.entries()) head.writeUInt32LE(field, at * 4);
  return Buffer.concat([head, ia32, x64]);
}

/** The bundle is there as a whole or not at all: a server may be reading the folder. */
async function writeBundle(outputDir: string, folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await mkdir(outputDir, { recursive: true });
  const draft = await mkdtemp(join(outputDir, ".bootcast-nbi-"));
  const old = join(draft, "old");
  const fresh = join(draft, "new");
  try {
    for (const [name, content] of files) {
      await mkdir(join(fresh, name, ".."), { recursive: true });
      await writeFile(join(fresh, name), content);
    }
    await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rename(fresh, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
