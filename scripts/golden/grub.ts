import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BiosBoot, bindGrub } from "../boot-image/stick/grub-bios.ts";
import { command } from "./command.ts";

const biosDirectory = "/usr/lib/grub/i386-pc";

const modules = ["part_gpt", "ext2", "search_fs_uuid", "normal", "linux", "configfile", "echo", "test", "reboot"];

/** The first script: finds the root file system, whose menu then says the rest. */
function earlyScript(rootUuid: string): string {
  return `search.fs_uuid ${rootUuid} root\nset prefix=($root)/boot/grub\n`;
}

/**
 * GRUB for BIOS, bound to its place on the disk.
 *
 * @param coreSector the BIOS boot partition's first sector
 */
export async function grubForBios(directory: string, rootUuid: string, coreSector: number): Promise<BiosBoot> {
  const corePath = join(directory, "core.img");
  await image("i386-pc", corePath, [...modules, "biosdisk"], directory, rootUuid);
  return bindGrub(await readFile(join(biosDirectory, "boot.img")), await readFile(corePath), coreSector);
}

/** GRUB for 64-bit UEFI as one program; gives its path. */
export async function grubForUefi(directory: string, rootUuid: string): Promise<string> {
  const path = join(directory, "BOOTX64.EFI");
  await image("x86_64-efi", path, [...modules, "fat"], directory, rootUuid);
  return path;
}

async function image(
  format: string,
  path: string,
  contained: readonly string[],
  directory: string,
  rootUuid: string,
): Promise<void> {
  const script = join(directory, "early.cfg");
  await writeFile(script, earlyScript(rootUuid));
  const args = ["--format", format, "--output", path, "--prefix", "/boot/grub", "--config", script, ...contained];
  await command("grub-mkimage", args, { timeoutMs: 60_000 });
}
