import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Architecture, hostArchitecture } from "../architecture.ts";
import { Debian } from "../debian.ts";
import { findLoaders } from "../grub-loaders.ts";
import { followedDependency, type LoaderFile } from "../recipe.ts";
import { run } from "../run.ts";
import { VOLUME_PARTITION } from "./plan.ts";

/**
 * What UEFI starts from a removable medium: shim, signed by Microsoft, starts the GRUB beside it, signed by Debian and
 * made for media: it reads /boot/grub/grub.cfg of the volume that it came from.
 */
const uefiLoaders: Readonly<
  Record<Architecture, { readonly packages: readonly string[]; readonly files: readonly LoaderFile[] }>
> = {
  amd64: {
    packages: ["grub-efi-amd64-signed", "shim-signed"],
    files: [
      { name: "EFI/BOOT/BOOTX64.EFI", from: "usr/lib/shim/shimx64.efi.signed" },
      { name: "EFI/BOOT/grubx64.efi", from: "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed" },
    ],
  },
  arm64: {
    packages: ["grub-efi-arm64-signed", "shim-signed"],
    files: [
      { name: "EFI/BOOT/BOOTAA64.EFI", from: "usr/lib/shim/shimaa64.efi.signed" },
      { name: "EFI/BOOT/grubaa64.efi", from: "usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed" },
    ],
  },
};

const biosModules = [
  ...["biosdisk", "part_gpt", "part_msdos", "fat", "normal", "configfile", "linux", "test", "echo", "all_video"],
  ...["minicmd", "reboot", "halt", "sleep", "serial", "terminal"],
];

type LoaderOptions = { readonly cacheDir: string; readonly say: (text: string) => void };

/** Loaders for UEFI by their path on the stick. @throws {Fault} BOOT_IMAGE_… */
export async function uefiLoadersOf(
  architecture: Architecture,
  options: LoaderOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  return (await findLoaders({ ...options, architecture, ...uefiLoaders[architecture] })).read();
}

/**
 * GRUB for BIOS machines, which only a PC can put together; undefined elsewhere.
 *
 * @throws {Fault} BOOT_IMAGE_…
 */
export async function biosLoader({
  cacheDir,
  say,
}: LoaderOptions): Promise<{ readonly boot: Uint8Array; readonly core: Uint8Array } | undefined> {
  if (hostArchitecture !== "amd64") return undefined;
  const debian = new Debian(cacheDir, say);
  const debs = await debian.download(await debian.resolve(["grub-common", "grub-pc-bin"], [], followedDependency));
  const root = await mkdtemp(join(cacheDir, "unpacked-"));
  try {
    for (const deb of debs.values()) await run("dpkg-deb", ["--extract", deb, root]);
    const modules = join(root, "usr/lib/grub/i386-pc");
    const configuration = join(root, "early.cfg");
    // The menu lies on the disk that the BIOS started, whatever others are connected.
    await writeFile(configuration, "configfile $prefix/grub.cfg\n");
    const core = join(root, "core.img");
    const libraries = ["lib", "usr/lib"].map((folder) => join(root, folder, "x86_64-linux-gnu")).join(":");
    await run(join(root, "lib64/ld-linux-x86-64.so.2"), [
      ...["--library-path", libraries, join(root, "usr/bin/grub-mkimage")],
      ...["--directory", modules, "--format", "i386-pc", "--prefix", `(,gpt${VOLUME_PARTITION})/boot/grub`],
      ...["--config", configuration, "--output", core, ...biosModules],
    ]);
    return { boot: await readFile(join(modules, "boot.img")), core: await readFile(core) };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
