import { type FileHandle, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";
import { grubForBios, grubForUefi } from "./grub.ts";
import { macVolume } from "./mac-volume.ts";

const mebibyte = 1024 * 1024;
const sectorBytes = 512;
const diskBytes = 512 * mebibyte;

/** Fixed, so that what refers to them can be written down: in a test, in a boot menu. */
export const rootUuid = "60d1de00-0000-4000-8000-000000000004";
const diskGuid = "60D1DE00-0000-4000-8000-000000000000";
const espSerial = "60D1DE02";

type Partition = { readonly name: string; readonly type: string; readonly atBytes: number; readonly sizeBytes: number };

/** Root is the last partition: it can grow to the end of a larger disk. */
const partitions = {
  bios: place("bios", "21686148-6449-6E6F-744E-656564454649", 1, 1),
  esp: place("esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 2, 16),
  mac: place("mac", "48465300-0000-11AA-AA11-00306543ECAC", 18, 8),
  // One mebibyte stays free at the end for the partition table's second copy.
  root: place("root", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", 26, diskBytes / mebibyte - 27),
};

function place(name: string, type: string, atMebibytes: number, sizeMebibytes: number): Partition {
  return { name, type, atBytes: atMebibytes * mebibyte, sizeBytes: sizeMebibytes * mebibyte };
}

/**
 * Puts the golden disk together from a root directory: GPT, boot code for BIOS
 * and UEFI, an HFS+ volume, the root file system. Nothing is mounted and no
 * loop device is used.
 *
 * @param directory for what is needed on the way
 * @param path the raw image; made new, sparse
 */
export async function assembleDisk(directory: string, root: string, path: string): Promise<void> {
  const disk = await open(path, "w+");
  try {
    await disk.truncate(diskBytes);
    await command("sfdisk", ["--quiet", path], { timeoutMs: 30_000, input: partitionTable() });
    const { bootCode, core } = await grubForBios(directory, rootUuid, partitions.bios.atBytes / sectorBytes);
    await disk.write(bootCode, 0, bootCode.length, 0);
    await disk.write(core, 0, core.length, partitions.bios.atBytes);
    await writeSparse(disk, macVolume(partitions.mac.sizeBytes), partitions.mac.atBytes);
  } finally {
    await disk.close();
  }
  await copyInto(path, await espFile(directory), partitions.esp);
  await copyInto(path, await rootFile(directory, root), partitions.root);
}

function partitionTable(): string {
  const lines = Object.values(partitions).map((partition, index) => {
    const start = partition.atBytes / sectorBytes;
    const guid = `60D1DE00-0000-4000-8000-00000000000${index + 1}`;
    const size = partition.sizeBytes / sectorBytes;
    return `start=${start}, size=${size}, type=${partition.type}, uuid=${guid}, name=${partition.name}`;
  });
  return ["label: gpt", `label-id: ${diskGuid}`, ...lines, ""].join("\n");
}

/** The EFI system partition: FAT16, with GRUB where firmware looks when nobody told it where. */
async function espFile(directory: string): Promise<string> {
  const path = join(directory, "esp.raw");
  await writeFile(path, "");
  await command("truncate", ["--size", `${partitions.esp.sizeBytes}`, path], { timeoutMs: 10_000 });
  await command("mkfs.vfat", ["-F", "16", "-n", "ESP", "-i", espSerial, path], { timeoutMs: 30_000 });
  await command("mmd", ["-i", path, "::/EFI", "::/EFI/BOOT"], { timeoutMs: 30_000 });
  const grub = await grubForUefi(directory, rootUuid);
  await command("mcopy", ["-i", path, grub, "::/EFI/BOOT/BOOTX64.EFI"], { timeoutMs: 30_000 });
  return path;
}

async function rootFile(directory: string, root: string): Promise<string> {
  const path = join(directory, "root.raw");
  await rm(path, { force: true });
  // Tables are written now, not by the kernel in the background of a first boot. GRUB 2.06 cannot read a
  // file system whose checksum seed stands in the superblock. A small journal: it counts as used.
  const features = ["-E", "lazy_itable_init=0,lazy_journal_init=0", "-O", "^metadata_csum_seed,^orphan_file"];
  const shape = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-m",
    "1",
    "-N",
    "20000",
    "-J",
    "size=4",
    "-L",
    "golden",
    "-U",
    rootUuid,
  ];
  const size = `${partitions.root.sizeBytes / 1024}k`;
  await command("mke2fs", [...shape, ...features, "-d", root, path, size], { timeoutMs: 300_000 });
  return path;
}

async function copyInto(disk: string, file: string, partition: Partition): Promise<void> {
  const where = [`seek=${partition.atBytes / mebibyte}`, "bs=1M", "conv=sparse,notrunc"];
  await command("dd", [`if=${file}`, `of=${disk}`, ...where, "status=none"], { timeoutMs: 300_000 });
}

async function writeSparse(disk: FileHandle, bytes: Uint8Array, atBytes: number): Promise<void> {
  const blockBytes = 4096;
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes);
    if (block.some((byte) => byte !== 0)) await disk.write(block, 0, block.length, atBytes + at);
  }
}
