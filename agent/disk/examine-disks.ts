import { constants, open } from "node:fs/promises";
import type { Logger } from "pino";
import type { BlockSource } from "../../images/block.ts";
import { readDiskContent } from "../../images/disk-content.ts";
import type { Disk, Held } from "../contract.ts";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";
import { BOOT_MEDIUM_LABEL, type BootPartition, bootPartition, isBootPartition } from "./boot-medium.ts";
import { failureOf } from "./health.ts";
import { readFully } from "./target.ts";

/** A disk that takes longer for its first sectors cannot be relied on. */
const READ_WITHIN_MS = 20_000;
const TOOL_TIMEOUT_MS = 10_000;

/** Looks at disks that do not answer. Each holds one of the few threads that all files are read by, and no second is begun. */
const unanswered = new Map<string, Promise<unknown>>();

type ExamineMachine = { readonly files: MachineFiles; readonly tools: Tools; readonly log: Logger };

/**
 * The same disks with what only the disks themselves can tell: what they hold, whether they fail, whether this machine
 * was started from one. They are opened for reading alone.
 */
export async function examineDisks(
  disks: readonly Disk[],
  machine: ExamineMachine,
  readWithinMs = READ_WITHIN_MS,
): Promise<Disk[]> {
  const boot = bootPartition(machine.files);
  return Promise.all(disks.map((disk) => examine(disk, boot, machine, readWithinMs)));
}

async function examine(
  disk: Disk,
  boot: BootPartition | undefined,
  machine: ExamineMachine,
  readWithinMs: number,
): Promise<Disk> {
  if (disk.sizeBytes === 0) return disk;
  const found = await within(readWithinMs, (late) => lookAt(disk, late)).catch((error: unknown) => error as Error);
  if (found instanceof Error) {
    machine.log.warn({ disk: disk.path, err: found }, "the disk cannot be looked at");
    return { ...disk, failing: `it cannot be read (${found.message})` };
  }
  const failing = disk.failing ?? (await failureOf(disk, machine.tools));
  const isBootMedium =
    found.some(({ label }) => label === BOOT_MEDIUM_LABEL) || (await isBootDisk(disk, boot, machine));
  return {
    ...disk,
    holds: found,
    ...(failing === undefined ? {} : { failing }),
    ...(isBootMedium ? { isBootMedium } : {}),
  };
}

async function lookAt(disk: Disk, late: AbortSignal): Promise<Held[]> {
  // One that is answered after all is no hindrance for the next.
  await unanswered.get(disk.path);
  late.throwIfAborted();
  const look = contentOf(disk);
  const ended = look.then(
    () => undefined,
    () => undefined,
  );
  unanswered.set(disk.path, ended);
  void ended.then(() => {
    if (unanswered.get(disk.path) === ended) unanswered.delete(disk.path);
  });
  return look;
}

async function contentOf(disk: Disk): Promise<Held[]> {
  const handle = await open(disk.path, constants.O_RDONLY);
  try {
    const source: BlockSource = {
      sizeBytes: disk.sizeBytes,
      async read(offset, length) {
        const bytes = Buffer.alloc(length);
        await readFully(handle, bytes, offset, disk.path);
        return bytes;
      },
    };
    return await readDiskContent(source, disk.sectorBytes);
  } finally {
    await handle.close();
  }
}

async function isBootDisk(
  disk: Disk,
  boot: BootPartition | undefined,
  { tools, log }: ExamineMachine,
): Promise<boolean> {
  if (boot === undefined) return false;
  try {
    const printed = await tools.run("partx", ["--show", "--noheadings", "--output", "UUID", disk.path], {
      timeoutMs: TOOL_TIMEOUT_MS,
      goneWithinMs: 0,
    });
    return printed.split("\n").some((uuid) => isBootPartition(uuid.trim(), boot));
  } catch (error) {
    // A disk without a partition table is an error to partx.
    log.debug({ disk: disk.path, err: error }, "no partitions were listed");
    return false;
  }
}

async function within<T>(ms: number, work: (late: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.abort();
    reject(new Error(`it did not answer within ${ms / 1000} s`));
  }, ms);
  try {
    return await Promise.race([work(late.signal), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
