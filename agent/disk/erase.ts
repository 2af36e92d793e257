import { basename } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { BlockTarget } from "../../images/block.ts";
import { isZero } from "../../images/cell.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { Clock } from "../client/backoff.ts";
import type { Disk, EraseMethod } from "../contract.ts";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";
import { tellOn } from "../tell-on.ts";
import { describeErase, type EraseOffers, type EraseStep, planErase, unwrittenRanges } from "./erase-plan.ts";
import { type NvmeDevices, nvmeDevices } from "./nvme-device.ts";
import { destroy, secureEraseOf } from "./secure-erase.ts";
import { zeroRanges } from "./zero-ranges.ts";

/** Partition tables and file system signatures lie in the first and last MiB. */
const TABLE_BYTES = 1024 * 1024;
const SAMPLES = 64;
const SAMPLE_BYTES = 4096;
/** The kernel cannot be interrupted in the middle of a request, so it gets small ones. */
const SLICE_BYTES = 1024 * 1024 * 1024;
const SLICE_TIMEOUT_MS = 60_000;
/** A device that would take longer zeroes by really writing: then only the zeros that matter are written, with the image. */
const ZERO_WITHIN_MS = 60_000;
/** The speed is judged after this. */
const JUDGE_AFTER_MS = 3000;

/** What an erase left behind. */
export type Erased = {
  /** True when all that the image does not write reads as zero now, so zero cells need not be written. */
  readonly isZeroed: boolean;
  /** How it was done, for the screen. */
  readonly how: string;
};

type ErasableTarget = BlockTarget & { read(offset: number, length: number): Promise<Uint8Array> };

type EraseMachine = {
  readonly files: MachineFiles;
  readonly tools: Tools;
  readonly nvme: NvmeDevices;
  readonly clock: Clock;
  readonly log: Logger;
};

type EraseOrder = {
  readonly method: EraseMethod;
  readonly manifest: Pick<Manifest, "cells" | "diskBytes">;
  /** Every disk of the machine: none but this one is erased. */
  readonly all: readonly Disk[];
  readonly signal: AbortSignal;
  onProgress(progress: { readonly percent?: number; readonly detail: string }): void;
};

/**
 * Erases a disk as ordered: carries out `planErase`. First both ends, so that from the first moment on an interrupted
 * restore never looks bootable.
 *
 * Zeroing uses the kernel's "write zeroes", which promises zeros afterwards; a
 * discard promises nothing (what is read after it is up to the device), so it
 * only tells an SSD that the old content is no longer needed.
 *
 * @param target opened by the caller, who holds the order and the passed preflight
 * @throws {Fault} ERASE_UNSUPPORTED with nothing changed; ERASE_FAILED
 */
export async function eraseAsOrdered(
  disk: Disk,
  target: ErasableTarget,
  machine: EraseMachine,
  order: EraseOrder,
): Promise<Erased> {
  const { method, manifest, all } = order;
  const secure = method === "secure" ? await secureEraseOf(disk, all, machine) : undefined;
  const offers = { ...offersOf(disk, machine.files), ...(secure === undefined ? {} : { secure }) };
  const steps = planErase(method, disk, offers, unwrittenRanges(manifest, disk.sizeBytes));
  machine.log.info({ disk: disk.path, steps: describeErase(steps) }, "erasing");
  return carryOut(steps, disk, target, machine, order);
}

/** The same as the "quick" way, where there is no order with another one. */
export function eraseDisk(disk: Disk, target: ErasableTarget, machine: Omit<EraseMachine, "nvme">): Promise<Erased> {
  const steps = planErase("quick", disk, offersOf(disk, machine.files), []);
  const { signal } = new AbortController();
  return carryOut(steps, disk, target, { ...machine, nvme: nvmeDevices }, { signal, onProgress: () => undefined });
}

function offersOf(disk: Disk, files: MachineFiles): EraseOffers {
  const queue = `/sys/block/${basename(disk.path)}/queue`;
  return {
    zeroes: Number(files.text(`${queue}/write_zeroes_max_bytes`)) > 0,
    discards: Number(files.text(`${queue}/discard_max_bytes`)) > 0,
  };
}

async function carryOut(
  steps: readonly EraseStep[],
  disk: Disk,
  target: ErasableTarget,
  machine: EraseMachine,
  order: Pick<EraseOrder, "signal" | "onProgress">,
): Promise<Erased> {
  const told = { clock: machine.clock, say: (detail: string) => order.onProgress({ detail }) };
  let erased: Erased = { isZeroed: false, how: "partition tables wiped; zeros are written with the image" };
  for (const step of steps) {
    order.signal.throwIfAborted();
    switch (step.do) {
      case "wipe-ends":
        await wipeEnds(target);
        break;
      case "zero-if-quick":
        if (!(await tellOn("the device zeroes itself", told, () => inSlices(disk, ["--zeroout"], machine)))) break;
        if (await samplesAreZero(target)) erased = { isZeroed: true, how: "zeroed by the device" };
        else machine.log.warn({ disk: disk.path }, "the device says it zeroed itself, but samples are not zero");
        break;
      case "discard":
        if (await tellOn("the device forgets what it holds", told, () => inSlices(disk, [], machine))) {
          erased = { isZeroed: false, how: "partition tables wiped, old content discarded" };
        } else if (step.isRequired) throw discardFailed(disk.path);
        break;
      case "zero":
        await zeroRanges(step.ranges, disk, target, machine, order);
        erased = { isZeroed: true, how: "all that the image does not write is zero" };
        break;
      case "destroy":
        await destroy(step.how, disk, machine, {
          signal: order.signal,
          onWait: (detail) => order.onProgress({ detail }),
        });
        erased = { isZeroed: false, how: `erased by the device itself (${step.how})` };
        break;
    }
  }
  return erased;
}

function discardFailed(path: string): Fault {
  return new Fault("ERASE_FAILED", {
    what: `${path} was not discarded as ordered.`,
    why: "The device refused, or would have taken more than a minute; the log has its answer.",
    fix: 'Order it again with "--erase zeros", which every disk can.',
  });
}

/** Runs blkdiscard over the whole disk; false when the device refuses or would take too long. */
async function inSlices(
  disk: Disk,
  mode: readonly string[],
  { tools, clock, log }: { tools: Tools; clock: Clock; log: Logger },
): Promise<boolean> {
  const startedAt = clock.now();
  for (let offset = 0; offset < disk.sizeBytes; offset += SLICE_BYTES) {
    const length = Math.min(SLICE_BYTES, disk.sizeBytes - offset);
    // --force: blkdiscard would ask for the disk alone, and we hold it alone already.
    const args = ["--force", ...mode, "--offset", String(offset), "--length", String(length), disk.path];
    try {
      await tools.run("blkdiscard", args, { timeoutMs: SLICE_TIMEOUT_MS });
    } catch (error) {
      // What it asked for may still happen, over what is written next.
      if (error instanceof Fault && error.code === "TOOL_STUCK") throw error;
      log.warn({ disk: disk.path, err: error }, "blkdiscard was refused");
      return false;
    }
    const tookMs = clock.now() - startedAt;
    const wholeMs = (tookMs / (offset + length)) * disk.sizeBytes;
    if (tookMs > JUDGE_AFTER_MS && wholeMs > ZERO_WITHIN_MS) {
      log.info({ disk: disk.path, wholeMs }, "blkdiscard would take too long");
      return false;
    }
  }
  return true;
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
