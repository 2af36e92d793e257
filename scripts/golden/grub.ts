import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

const biosDirectory = "/usr/lib/grub/i386-pc";
const sectorBytes = 512;
/** Of the boot sector's bytes those before the partition table and the disk's signature. */
const bootCodeBytes = 440;
/** boot.img: where the 64-bit number of core.img's first sector stands (GRUB_BOOT_MACHINE_KERNEL_SECTOR). */
const kernelSectorAt = 0x5c;
/** diskboot.img, core.img's first sector: where the 64-bit number of its second sector stands. */
const nextSectorAt = sectorBytes - 12;

const modules = ["part_gpt", "ext2", "search_fs_uuid", "normal", "linux", "configfile", "echo", "test", "reboot"];

/** The first script: finds the root file system, whose menu then says the rest. */
function earlyScript(rootUuid: string): string {
  return `search.fs_uuid ${rootUuid} root\nset prefix=($root)/boot/grub\n`;
}

/** What a BIOS starts from a GPT disk. */
export type BiosBoot = {
  /** For the disk's first sector, before the partition table: `bootCodeBytes` long. */
  readonly bootCode: Uint8Array;
  /** For the BIOS boot partition, from its first sector on. */
  readonly core: Uint8Array;
};

/**
 * GRUB for BIOS, bound to its place on the disk as grub-bios-setup would do it,
 * but without a device to write to.
 *
 * @param coreSector the BIOS boot partition's first sector
 */
export async function grubForBios(directory: string, rootUuid: string, coreSector: number): Promise<BiosBoot> {
  const corePath = join(directory, "core.img");
  await image("i386-pc", corePath, [...modules, "biosdisk"], directory, rootUuid);
  const boot = new Uint8Array(await readFile(join(biosDirectory, "boot.img")));
  new DataView(boot.buffer).setBigUint64(kernelSectorAt, BigInt(coreSector), true);
  const core = new Uint8Array(await readFile(corePath));
  new DataView(core.buffer, core.byteOffset).setBigUint64(nextSectorAt, BigInt(coreSector + 1), true);
  return { bootCode: boot.subarray(0, bootCodeBytes), core };
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
