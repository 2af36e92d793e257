import { basename } from "node:path";
import { Fault } from "../../fault.ts";
import { type FitOrder, type FitPlan, type FitStep, planFit } from "../../images/disk-fit/plan.ts";
import { DiskSource } from "../disk/source.ts";
import { tellOn } from "../tell-on.ts";
import { rereadPartitions, volumeDevice } from "../volumes/partitions.ts";
import { describeStep } from "./describe-fit.ts";
import { type FitDisk, type FitMachine, writeToDisk } from "./fit-machine.ts";
import { growVolume, renewVolume } from "./volume-changes.ts";
import { checkVolumes } from "./volume-checks.ts";

/** In which /sys counts, whatever the disk's own are. */
const KERNEL_SECTOR_BYTES = 512;

/** What was done to the disk. */
export type Fitted = {
  /** Numbers that changed, as files name them: old in lower case, new as it is written. */
  readonly renewed: ReadonlyMap<string, string>;
  /** What was done, one sentence each. Each was told as progress when it began. */
  readonly lines: readonly string[];
  /** What stays as it is, and why; one sentence each. */
  readonly notes: readonly string[];
};

/**
 * Makes a restored image fit its disk: partition table at both ends, the last partition and its file system grown,
 * numbers renewed, as ordered. Without an order to, nothing but the table's second copy moves, and a system that sleeps
 * in its swap is forgotten.
 *
 * Can be cut off at any moment: a host that lost power restores what differs from the image, and fits it again.
 *
 * @throws {Fault} FIT_FAILED naming the step; PARTITIONS_MISSING; DISK_READ, DISK_WRITE
 */
export async function fitDisk(
  disk: FitDisk,
  order: FitOrder,
  machine: FitMachine,
  progress: { readonly signal: AbortSignal; onProgress(progress: { readonly detail: string }): void },
): Promise<Fitted> {
  const say = (detail: string) => progress.onProgress({ detail });
  let plan = await planOf(disk, order, machine);
  if (plan.steps.length > 0) {
    await reread(disk, plan, machine);
    const unsound = await checkVolumes(disk, plan, machine, say);
    if (unsound.size > 0) plan = await planOf(disk, { ...order, unsound }, machine);
  }
  const lines: string[] = [];
  for (const step of plan.steps) {
    progress.signal.throwIfAborted();
    const line = describeStep(step);
    machine.log.info({ disk: disk.path, step: step.do }, line);
    try {
      await tellOn(line, { clock: machine.clock, say }, () => carryOut(step, plan, disk, machine));
    } catch (error) {
      throw fitFailed(line, disk.path, error);
    }
    lines.push(line);
  }
  return { renewed: plan.renewed, lines, notes: plan.notes };
}

async function planOf(disk: FitDisk, order: FitOrder, { tools }: FitMachine): Promise<FitPlan> {
  const source = await DiskSource.open(disk, tools);
  try {
    return await planFit(source, disk.sectorBytes, order);
  } finally {
    await source.close();
  }
}

async function carryOut(step: FitStep, plan: FitPlan, disk: FitDisk, machine: FitMachine): Promise<void> {
  switch (step.do) {
    case "make-swap":
      return writeToDisk(disk, (target) => target.write(step.write.at, step.write.bytes));
    case "write-table":
      await writeToDisk(disk, async (target) => {
        // One after the other: at every moment one copy of the table is right.
        for (const { at, bytes } of step.writes) {
          await target.write(at, bytes);
          await target.flush();
        }
      });
      await reread(disk, plan, machine);
      return refuseOldSizes(disk, plan, machine);
    case "renew":
      return renewVolume(step.volume, step.renewal, disk, machine);
    case "grow":
      return growVolume(step, disk, machine);
  }
}

async function reread(disk: FitDisk, { scheme, volumes: partitions }: FitPlan, machine: FitMachine): Promise<void> {
  await rereadPartitions(disk.path, { scheme, partitions }, machine);
}

/** A program that makes a file system fill its device must not be told an old size. */
function refuseOldSizes(disk: FitDisk, { volumes }: FitPlan, { files }: FitMachine): void {
  for (const { number, sizeBytes } of volumes) {
    const device = volumeDevice(disk.path, number);
    const sectors = Number(files.text(`/sys/class/block/${basename(device)}/size`));
    if (sectors * KERNEL_SECTOR_BYTES === sizeBytes) continue;
    throw new Fault("PARTITIONS_MISSING", {
      what: `The kernel does not see the new partition table of ${disk.path}.`,
      why: `To it ${device} has ${sectors} sectors, and the table says ${sizeBytes / KERNEL_SECTOR_BYTES}.`,
      fix: "Restart the machine, and order the image again.",
    });
  }
}

function fitFailed(step: string, path: string, cause: unknown): Fault {
  const isFault = cause instanceof Fault;
  return new Fault(
    "FIT_FAILED",
    {
      what: `The image is on ${path}, but was not fitted to it: ${step}.`,
      why: isFault ? `${cause.what} ${cause.why}` : cause instanceof Error ? cause.message : String(cause),
      fix: 'Order it again; with "--grow keep --ids keep" the disk stays as it is in the image.',
    },
    cause,
  );
}
