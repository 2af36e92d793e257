import { Fault } from "../../fault.ts";
import type { ByteRange } from "../../images/block.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { Disk, EraseMethod } from "../contract.ts";
import type { NvmeErase } from "./nvme-commands.ts";
import { formatSize } from "./sizes.ts";

/** What a device can do by itself. */
export type EraseOffers = {
  /** "Write zeroes", which promises zeros afterwards. */
  readonly zeroes: boolean;
  /** Discard, which promises nothing of what is read afterwards. */
  readonly discards: boolean;
  /** How it destroys everything that it holds, hidden blocks too; absent: it cannot, or other disks would go with it. */
  readonly secure?: SecureErase;
};

/** Ways to destroy everything, each by its standard's name. */
export type SecureErase =
  | NvmeErase
  | "ata-sanitize-block"
  | "ata-sanitize-crypto"
  | "ata-sanitize-overwrite"
  | "mmc-secure-discard";

/** One step of an erase, in their order. */
export type EraseStep =
  /** Zeros over the first and last MiB: from here on nothing boots from the disk. */
  | { readonly do: "wipe-ends" }
  /** The whole disk by the device's own zeroing, where that is quick; it is no fault when it is not. */
  | { readonly do: "zero-if-quick" }
  /** The whole disk. Without `isRequired` it is no fault when the device refuses. */
  | { readonly do: "discard"; readonly isRequired: boolean }
  /** Zeros really, however long it takes. */
  | { readonly do: "zero"; readonly ranges: readonly ByteRange[] }
  | { readonly do: "destroy"; readonly how: SecureErase };

/**
 * What is done to the disk before the image is written, by what was ordered:
 *
 * - "quick": both ends, then the whole disk where the device does that by itself in a minute: zeroed, else discarded.
 *   What the image does not write may still hold old data.
 * - "discard": the whole disk, or it fails. What is read where the image writes nothing is up to the device.
 * - "zeros": every byte that the image does not write is zero afterwards, however long it takes. Old data may survive
 *   only in blocks that the disk has taken out of use by itself.
 * - "secure": the device destroys everything, hidden blocks too, or it fails.
 * - "none": only both ends, so that a disk that is half written does not boot. Where the disk was looked at first, all
 *   that is right stays even there (agent/disk/wipe-held.ts).
 *
 * @throws {Fault} ERASE_UNSUPPORTED, before anything is changed
 */
export function planErase(
  method: EraseMethod,
  disk: Pick<Disk, "path" | "sizeBytes">,
  offers: EraseOffers,
  unwritten: readonly ByteRange[],
): EraseStep[] {
  switch (method) {
    case "quick":
      if (offers.zeroes) return [{ do: "wipe-ends" }, { do: "zero-if-quick" }];
      return [{ do: "wipe-ends" }, ...(offers.discards ? [{ do: "discard", isRequired: false } as const] : [])];
    case "discard":
      if (!offers.discards) throw unsupported(method, disk.path, "The device does not know discard (TRIM, UNMAP).");
      return [{ do: "wipe-ends" }, { do: "discard", isRequired: true }];
    case "zeros":
      return [{ do: "wipe-ends" }, { do: "zero", ranges: unwritten }];
    case "secure":
      if (offers.secure === undefined) {
        throw unsupported(
          method,
          disk.path,
          "The device offers neither sanitize nor another secure erase of its own, or cannot be asked here.",
        );
      }
      return [{ do: "destroy", how: offers.secure }, { do: "wipe-ends" }];
    case "none":
      return [{ do: "wipe-ends" }];
  }
}

/** What the image leaves as it was: cells that are zero or unused, and the rest of a larger disk. Ascending, joined. */
export function unwrittenRanges(manifest: Pick<Manifest, "cells" | "diskBytes">, sizeBytes: number): ByteRange[] {
  const ranges: { startBytes: number; endBytes: number }[] = [];
  const add = (startBytes: number, endBytes: number) => {
    const last = ranges.at(-1);
    if (last?.endBytes === startBytes) last.endBytes = endBytes;
    else if (endBytes > startBytes) ranges.push({ startBytes, endBytes });
  };
  for (const { firstCell, count, state } of manifest.cells.runs()) {
    if (state === "data") continue;
    add(firstCell * CELL_BYTES, Math.min((firstCell + count) * CELL_BYTES, manifest.diskBytes));
  }
  add(manifest.diskBytes, sizeBytes);
  return ranges;
}

/** The plan in words, for the screen. */
export function describeErase(steps: readonly EraseStep[]): string {
  const words = steps.map((step) => {
    switch (step.do) {
      case "wipe-ends":
        return "wipe the partition tables";
      case "zero-if-quick":
        return "let the device zero itself";
      case "discard":
        return "discard everything";
      case "zero": {
        const bytes = step.ranges.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
        return `zero ${formatSize(bytes)} that the image does not write`;
      }
      case "destroy":
        return `destroy everything (${step.how})`;
    }
    return step satisfies never;
  });
  return words.join(", then ");
}

function unsupported(method: EraseMethod, path: string, why: string): Fault {
  return new Fault("ERASE_UNSUPPORTED", {
    what: `${path} cannot be erased as ordered ("${method}"). Nothing was erased.`,
    why,
    fix: 'Order it again with "--erase zeros", which every disk can, or with "--erase quick".',
  });
}
