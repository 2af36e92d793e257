import { basename } from "node:path";
import type { Logger } from "pino";
import type { BlockTarget } from "../images/block.ts";
import { isZero } from "../images/cell.ts";
import type { Disk } from "./contract.ts";
import type { MachineFiles } from "./machine-files.ts";
import type { Tools } from "./tools.ts";

/** Partition tables and file system signatures lie in the first and last MiB. */
const TABLE_BYTES = 1024 * 1024;
const SAMPLES = 64;
const SAMPLE_BYTES = 4096;
/** Devices that zero by really writing get this long; then the restore writes the zeros that matter itself. */
const ZERO_TIMEOUT_MS = 5 * 60_000;

/** What an erase left behind. */
export type Erased = {
  /** True when every byte of the disk reads as zero now, so zero cells need not be written. */
  readonly isZeroed: boolean;
  /** How it was done, for the screen. */
  readonly how: string;
};

type ErasableTarget = BlockTarget & { read(offset: number, length: number): Promise<Uint8Array> };

/**
 * Erases a disk quickly: first both ends, so that from the first moment on an
 * interrupted restore never looks bootable, then the whole of it where the
 * device can zero itself.
 *
 * Zeroing uses the kernel's "write zeroes", which promises zeros afterwards; a
 * discard promises nothing (what is read after it is up to the device), so it
 * only tells an SSD that the old content is no longer needed.
 *
 * @param target opened by the caller, who holds the order and the passed preflight
 */
export async function eraseDisk(
  disk: Disk,
  target: ErasableTarget,
  machine: { files: MachineFiles; tools: Tools; log: Logger },
): Promise<Erased> {
  const { files, tools, log } = machine;
  await wipeEnds(target);
  const queue = `/sys/block/${basename(disk.path)}/queue`;
  // --force: blkdiscard would ask for the disk alone, and we hold it alone already.
  if (Number(files.text(`${queue}/write_zeroes_max_bytes`)) > 0) {
    try {
      await tools.run("blkdiscard", ["--force", "--zeroout", disk.path], { timeoutMs: ZERO_TIMEOUT_MS });
      if (await samplesAreZero(target)) return { isZeroed: true, how: "zeroed by the device" };
      log.warn({ disk: disk.path }, "the device says it zeroed itself, but samples are not zero");
    } catch (error) {
      log.warn({ disk: disk.path, error }, "the device cannot zero itself");
    }
  } else if (Number(files.text(`${queue}/discard_max_bytes`)) > 0) {
    try {
      await tools.run("blkdiscard", ["--force", disk.path], { timeoutMs: ZERO_TIMEOUT_MS });
      return { isZeroed: false, how: "partition tables wiped, old content discarded" };
    } catch (error) {
      log.warn({ disk: disk.path, error }, "the device cannot discard");
    }
  }
  return { isZeroed: false, how: "partition tables wiped; zeros are written with the image" };
}

/** Writes zeros over the first and the last MiB and waits until the disk has them. */
export async function wipeEnds(target: BlockTarget): Promise<void> {
  const length = Math.min(TABLE_BYTES, target.sizeBytes);
  const zeros = new Uint8Array(length);
  await target.write(0, zeros);
  await target.write(target.sizeBytes - length, zeros);
  await target.flush();
}

/** Reads samples that are spread evenly, both ends included. */
export async function samplesAreZero(target: ErasableTarget): Promise<boolean> {
  const last = Math.max(0, target.sizeBytes - SAMPLE_BYTES);
  const length = Math.min(SAMPLE_BYTES, target.sizeBytes);
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    // Whole sectors, so that a device of 4096-byte sectors is not asked for halves.
    const at = Math.floor((last * sample) / (SAMPLES - 1) / SAMPLE_BYTES) * SAMPLE_BYTES;
    if (!isZero(await target.read(at, length))) return false;
  }
  return true;
}
