import type { BlockTarget } from "../images/block.ts";
import { CELL_BYTES } from "../images/cell.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Erased } from "./erase.ts";

/** As for an erase: partition tables and file system signatures lie in the first and last MiB. */
const END_BYTES = 1024 * 1024;

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
