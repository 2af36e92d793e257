import { Fault } from "../fault.ts";
import type { Manifest } from "../images/manifest.ts";
import type { Disk } from "./contract.ts";
import { chooseDisk, type DiskTerms } from "./disk/choice.ts";
import { formatSize } from "./disk/sizes.ts";
import type { Power } from "./machine/inventory.ts";

/** Blocks that wait for repair, packs being decoded and writes on their way, with room to spare. */
export const LEAST_MEMORY_BYTES = 192 * 1024 * 1024;

/** All that is looked at before anything is erased. The manifest's signature was checked when it was decoded. */
export type PreflightFacts = {
  readonly disks: readonly Disk[];
  readonly availableMemoryBytes: number;
  readonly power: Power;
  readonly manifest: Pick<Manifest, "diskBytes" | "sectorBytes">;
  readonly terms?: DiskTerms;
};

/**
 * Decides whether this machine can be re-imaged, and which disk it will be.
 * That the stream arrives is seen afterwards, by receiving it: the erase waits for that too.
 *
 * @returns the disk to erase
 * @throws {Fault} ON_BATTERY, MEMORY_SHORT, DISK_REFUSED, DISK_UNEXPECTED
 */
export function preflight(facts: PreflightFacts): Disk {
  if (facts.power === "battery") {
    throw new Fault("ON_BATTERY", {
      what: "This machine runs on its battery, so its disk is not erased.",
      why: "A battery that ends half-way leaves a disk that cannot boot.",
      fix: "Connect the charger and start the machine again.",
    });
  }
  refuseShortMemory(facts.availableMemoryBytes);
  const { diskBytes: imageBytes, sectorBytes } = facts.manifest;
  return chooseDisk(facts.disks, { imageBytes, sectorBytes }, facts.terms);
}

/** @throws {Fault} MEMORY_SHORT */
export function refuseShortMemory(availableMemoryBytes: number): void {
  if (availableMemoryBytes >= LEAST_MEMORY_BYTES) return;
  throw new Fault("MEMORY_SHORT", {
    what: `Only ${formatSize(availableMemoryBytes)} of memory are free; the agent needs ${formatSize(LEAST_MEMORY_BYTES)}.`,
    why: "The boot image and the agent live in memory, beside the part of the image that is on its way.",
    fix: "Give the machine more memory (2 GiB are plenty).",
  });
}
