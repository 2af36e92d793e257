import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { namesOf } from "./architecture.ts";
import { Debian } from "./debian.ts";
import { descriptionFile, readBootImage } from "./description.ts";
import { digestOf } from "./layers.ts";
import { grubSuite } from "./recipe.ts";
import { run } from "./run.ts";
import { Unpacked } from "./unpacked.ts";
import { isWhole, type ListedFile, listed, writeFolder } from "./write-whole.ts";

/** What a Raspberry Pi fetches by TFTP, all from one folder. */
export type RaspberryFolder = {
  readonly format: 1;
  readonly inputs: string;
  /** Version of Debian's package raspi-firmware. */
  readonly firmware: string;
  readonly files: readonly ListedFile[];
};

export const raspberryFolder = "rpi";

/** Raspberry Pi's own programs, not free software: Debian keeps them in non-free-firmware. */
const firmwarePackage = "raspi-firmware";
/** The second stage of models up to 3, and of 4. Model 5 has it on the board. */
const firmwareFiles = ["bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"];

/** Read by the second stage. The kernel may be gzipped: it is told by its first bytes. */
const config = `# Raspberry Pi: boots the agent of bootcast. Written by "bootcast boot-image build --raspberry-pi".
arm_64bit=1
upstream_kernel=1
enable_uart=1
kernel=kernel8.img
initramfs initramfs.img followkernel
`;
/** The server is found by mDNS. */
const commandLine = "console=ttyS1,115200 console=tty0\n";

/**
 * Makes the folder rpi beside the arm64 boot image, from that image and Raspberry Pi's own boot programs.
 *
 * @param outputDir the boot directory, which has the arm64 image
 * @throws {Fault} BOOT_IMAGE_PACKAGE_MISSING when the archive does not offer the boot programs, BOOT_IMAGE_…
 */
export async function buildRaspberryFolder(options: {
  readonly outputDir: string;
  readonly cacheDir: string;
  readonly say: (text: string) => void;
}): Promise<RaspberryFolder & { readonly isUnchanged: boolean }> {
  const { cacheDir, say } = options;
  const imageDir = join(options.outputDir, namesOf.arm64.folder);
  const outputDir = join(options.outputDir, raspberryFolder);
  const image = await readBootImage(imageDir);
  const debian = new Debian(cacheDir, say, { suite: grubSuite, architecture: "arm64" });
  const chosen = await debian.resolve([firmwarePackage], [], /^$/);
  const inputs = digestOf([image.inputs, chosen, config, commandLine, process.versions.zlib]);
  const there = await readFolder(outputDir);
  if (there?.inputs === inputs && (await isWhole(outputDir, there.files))) return { ...there, isUnchanged: true };

  const kernel = await readFile(join(imageDir, "vmlinuz"));
  const files = new Map<string, Uint8Array>([
    ["config.txt", Buffer.from(config)],
    ["cmdline.txt", Buffer.from(commandLine)],
    // 37 MB by TFTP would be a minute.
    ["kernel8.img", gzipSync(kernel, { level: constants.Z_BEST_COMPRESSION })],
    ["initramfs.img", await readFile(join(imageDir, "initramfs.img"))],
  ]);
  for (const { name } of image.files) {
    const board = /^boards\/(.+\.dtb)$/.exec(name)?.[1];
    if (board !== undefined) files.set(board, await readFile(join(imageDir, name)));
  }
  for (const [name, content] of await readFirmware(await debian.download(chosen), cacheDir)) files.set(name, content);
  const folder = { format: 1, inputs, firmware: chosen[0]?.version ?? "", files: listed(files) } as const;
  say(`writing ${outputDir}`);
  await writeFolder(outputDir, files, { name: descriptionFile, value: folder });
  return { ...folder, isUnchanged: false };
}

async function readFirmware(debs: ReadonlyMap<string, string>, cacheDir: string): Promise<Map<string, Uint8Array>> {
  const root = await mkdtemp(join(cacheDir, "unpacked-"));
  try {
    for (const deb of debs.values()) await run("dpkg-deb", ["--extract", deb, root]);
    const unpacked = new Unpacked(root);
    const contents = new Map<string, Uint8Array>();
    for (const name of firmwareFiles) {
      const content = await unpacked.read(`usr/lib/raspi-firmware/${name}`);
      if (content !== undefined) contents.set(name, content);
    }
    return contents;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function readFolder(directory: string): Promise<RaspberryFolder | undefined> {
  const text = await readFile(join(directory, descriptionFile), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as RaspberryFolder);
}
