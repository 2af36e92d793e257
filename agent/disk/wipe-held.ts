import type { Logger } from "pino";
import type { BlockTarget } from "../../images/block.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import type { Tools } from "../machine/tools.ts";
import type { EraseRequest } from "../ports.ts";
import type { Erased } from "./erase.ts";
import { unwrittenRanges } from "./erase-plan.ts";
import { zeroRanges } from "./zero-ranges.ts";

/** As for an erase: partition tables and file system signatures lie in the first and last MiB. */
const END_BYTES = 1024 * 1024;

/**
 * The erase of a disk that keeps what is right on it. Where all else was to be zero, it is made zero again: the word that
 * it was so already came over the network, and what grew on the disk since is not of the image.
 *
 * @throws {Fault} ERASE_FAILED
 */
export async function eraseHeld(
  held: HeldCells,
  { disk, target, method, manifest, ...order }: EraseRequest,
  machine: { readonly tools: Tools; readonly log: Logger },
): Promise<Erased> {
  const wiped = await wipeHeld(held, target);
  if (method !== "zeros") return wiped;
  await zeroRanges(unwrittenRanges(manifest, disk.sizeBytes), disk, target, machine, order);
  return { isZeroed: true, how: `${wiped.how}; all that the image does not write is zero` };
}

/**
 * What stands for the erase where a disk keeps what is right on it. Its beginning goes first: after that nothing boots
 * from the disk, and only then is anything else changed.
 */
export async function wipeHeld(held: HeldCells, target: BlockTarget): Promise<Erased> {
  const wipes = held.wipes(target.sizeBytes, END_BYTES);
  if (wipes.length === 0) return { isZeroed: false, how: "all of it is right already" };
  const zeros = new Uint8Array(END_BYTES);
  const beginning = Math.min(CELL_BYTES, target.sizeBytes);
  await target.write(0, zeros.subarray(0, beginning));
  await target.flush();
  for (const { at, length } of wipes) {
    for (let done = at === 0 ? beginning : 0; done < length; done += zeros.length) {
      await target.write(at + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
    }
  }
  await target.flush();
  return { isZeroed: false, how: "partition tables wiped; what is right stays" };
}
