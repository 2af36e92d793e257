import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { BlockTarget, ByteRange } from "../../images/block.ts";
import { isZero } from "../../images/cell.ts";
import type { Disk } from "../contract.ts";
import type { Tools } from "../machine/tools.ts";
import { formatSize } from "./sizes.ts";

/** Small enough for the slowest disk to be through within the time, large enough to cost nothing. */
const SLICE_BYTES = 64 * 1024 * 1024;
const SLICE_TIMEOUT_MS = 120_000;
const WRITE_BYTES = 1024 * 1024;
const SAMPLE_BYTES = 4096;

/**
 * Makes ranges of the disk zero, however long it takes: by the kernel, which lets the device do it or writes zeros
 * itself, else by writing. Of every slice the beginning, the middle and the end are read afterwards; a device that
 * only says that it zeroed them is written to.
 *
 * @throws {Fault} ERASE_FAILED when they still are not zero
 */
export async function zeroRanges(
  ranges: readonly ByteRange[],
  disk: Disk,
  target: BlockTarget & { read(offset: number, length: number): Promise<Uint8Array> },
  { tools, log }: { readonly tools: Tools; readonly log: Logger },
  order: { readonly signal: AbortSignal; onProgress(progress: { percent: number; detail: string }): void },
): Promise<void> {
  const totalBytes = ranges.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
  let doneBytes = 0;
  let isHelped = true;
  for (const { startBytes, endBytes } of ranges) {
    for (let at = startBytes; at < endBytes; at += SLICE_BYTES) {
      order.signal.throwIfAborted();
      const length = Math.min(SLICE_BYTES, endBytes - at);
      isHelped = isHelped && (await zeroByKernel(at, length, disk.path, tools, log));
      if (!isHelped || !(await areZero(at, length, target))) {
        isHelped = false;
        await zeroByWriting(at, length, target);
        if (!(await areZero(at, length, target))) throw notZero(disk.path, at, length);
      }
      doneBytes += length;
      const detail = `zeroed ${formatSize(doneBytes)} of ${formatSize(totalBytes)} that the image does not write`;
      order.onProgress({ percent: (doneBytes / totalBytes) * 100, detail });
    }
  }
  await target.flush();
}

async function zeroByKernel(at: number, length: number, path: string, tools: Tools, log: Logger): Promise<boolean> {
  try {
    const args = ["--force", "--zeroout", "--offset", String(at), "--length", String(length), path];
    await tools.run("blkdiscard", args, { timeoutMs: SLICE_TIMEOUT_MS });
    return true;
  } catch (error) {
    // What it asked for may still happen, over what is written next.
    if (error instanceof Fault && error.code === "TOOL_STUCK") throw error;
    log.warn({ disk: path, err: error }, "zeros are written one by one");
    return false;
  }
}

async function zeroByWriting(at: number, length: number, target: BlockTarget): Promise<void> {
  const zeros = new Uint8Array(Math.min(WRITE_BYTES, length));
  for (let done = 0; done < length; done += zeros.length) {
    await target.write(at + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
  }
}

async function areZero(
  at: number,
  length: number,
  target: { read(offset: number, length: number): Promise<Uint8Array> },
): Promise<boolean> {
  const sampleBytes = Math.min(SAMPLE_BYTES, length);
  for (const offset of [0, Math.floor((length - sampleBytes) / 2), length - sampleBytes]) {
    if (!isZero(await target.read(at + offset, sampleBytes))) return false;
  }
  return true;
}

function notZero(path: string, at: number, length: number): Fault {
  return new Fault("ERASE_FAILED", {
    what: `${path} is not zero between byte ${at} and ${at + length}, although zeros were written there.`,
    why: "The disk does not keep what is written to it.",
    fix: "Replace the disk, or check its cable (smartctl -a).",
  });
}
