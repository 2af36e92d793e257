import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../images/file-system.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { Clock } from "../client/backoff.ts";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";

const POLL_MS = 200;
const APPEAR_WITHIN_MS = 15_000;

/** One restored file system and the device that it is on. */
export type RestoredVolume = {
  readonly device: string;
  readonly number: number;
  readonly sizeBytes: number;
  readonly fileSystem: string;
  readonly type: string;
};

/** "/dev/vda" and 2 is "/dev/vda2"; names that end in a digit get a "p": "/dev/nvme0n1p2". */
export function partitionPath(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}

/** The same, where number 0 is the disk itself: one file system fills it. */
export function volumeDevice(disk: string, number: number): string {
  return number === 0 ? disk : partitionPath(disk, number);
}

/**
 * The volumes that are on the disk now: the manifest's partitions, or, when the
 * image has no partition table, the one file system that fills the disk.
 *
 * @param source the restored disk, to look at its beginning
 */
export async function restoredVolumes(
  disk: string,
  manifest: Pick<Manifest, "scheme" | "partitions" | "diskBytes">,
  source: BlockSource,
): Promise<RestoredVolume[]> {
  if (manifest.scheme === "none") {
    const fileSystem = fileSystemOf(await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes)));
    return [{ device: disk, number: 0, sizeBytes: manifest.diskBytes, fileSystem, type: "" }];
  }
  return manifest.partitions.map(({ number, sizeBytes, fileSystem, type }) => ({
    device: partitionPath(disk, number),
    number,
    sizeBytes,
    fileSystem,
    type,
  }));
}

/**
 * Makes the kernel see the restored partition table, and waits until every
 * partition of it has its device.
 *
 * @throws {Fault} PARTITIONS_MISSING
 */
export async function rereadPartitions(
  disk: string,
  manifest: { readonly scheme: string; readonly partitions: readonly { readonly number: number }[] },
  machine: { tools: Tools; files: MachineFiles; clock: Clock },
): Promise<void> {
  if (manifest.scheme === "none") return;
  const { tools, files, clock } = machine;
  const deadline = clock.now() + APPEAR_WITHIN_MS;
  const names = manifest.partitions.map(({ number }) => partitionPath(disk, number).slice("/dev/".length));
  const directory = `/sys/block/${disk.slice("/dev/".length)}`;
  let lastError: unknown;
  for (;;) {
    try {
      // Busy for a moment when something else has just looked at the disk.
      await tools.run("blockdev", ["--rereadpt", disk], { timeoutMs: 30_000 });
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const there = new Set(files.list(directory));
    const nodes = new Set(files.list("/dev"));
    const missing = names.filter((name) => !there.has(name) || !nodes.has(name));
    if (missing.length === 0 && lastError === undefined) return;
    if (clock.now() >= deadline) throw partitionsMissing(disk, missing, lastError);
    await clock.sleep(POLL_MS);
  }
}

function partitionsMissing(disk: string, missing: readonly string[], cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : `No device appeared for ${missing.join(", ")}.`;
  return new Fault(
    "PARTITIONS_MISSING",
    {
      what: `The kernel does not see the restored partitions of ${disk}.`,
      why,
      fix: "The disk itself was verified. Restart the machine: its own system may well start.",
    },
    cause,
  );
}
