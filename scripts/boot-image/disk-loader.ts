import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

/** What TFTP calls the program that starts a machine's own disk. */
export const diskLoaderName = "x64/disk.efi";

/** Debian packages that it is made from and with. */
export const diskLoaderPackages = ["grub-common", "grub-efi-amd64-bin"] as const;

const modules = ["search_fs_file", "chain", "part_gpt", "part_msdos", "fat", "boot", "minicmd"];

/**
 * Runs line by line; a line that fails is passed over. Where nothing boots, `exit` hands back to the firmware.
 */
const script = [
  ...["/EFI/BOOT/BOOTX64.EFI", "/EFI/Microsoft/Boot/bootmgfw.efi"].flatMap((file) => [
    `search.file ${file} root`,
    `chainloader ${file}`,
    "boot",
  ]),
  "exit",
  "",
].join("\n");

/**
 * An EFI program for TFTP that looks for an EFI boot loader on the machine's
 * disks and starts it: GRUB with nothing but that.
 *
 * UEFI firmware that asks the network first and gets no boot data waits for
 * minutes before it looks at its disk; given this it starts the disk at once.
 *
 * @param root the folder where the packages are unpacked; their own grub-mkimage is used, with their own libraries
 * @throws {Fault} BOOT_IMAGE_TOOL_FAILED
 */
export async function makeDiskLoader(root: string): Promise<Buffer> {
  const configuration = join(root, "disk-loader.cfg");
  await writeFile(configuration, script);
  const libraries = ["lib", "usr/lib"].map((folder) => join(root, folder, "x86_64-linux-gnu")).join(":");
  const program = join(root, "disk-loader.efi");
  await run(join(root, "lib64/ld-linux-x86-64.so.2"), [
    ...["--library-path", libraries, join(root, "usr/bin/grub-mkimage")],
    ...["--directory", join(root, "usr/lib/grub/x86_64-efi"), "--format", "x86_64-efi"],
    ...["--prefix", "/", "--config", configuration, "--output", program, ...modules],
  ]);
  return readFile(program);
}
