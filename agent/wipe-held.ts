import type { BlockTarget } from "../images/block.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Erased } from "./erase.ts";

/** As for an erase: partition tables and file system signatures lie in the first and last MiB. */
const END_BYTES = 1024 * 1024;

/**
 * What stands for the erase where a disk keeps what is right on it: from its first write on nothing boots from the disk,
 * and it is there before anything else is written.
 */
export async function wipeHeld(held: HeldCells, target: BlockTarget): Promise<Erased> {
  const wipes = held.wipes(target.sizeBytes, END_BYTES);
  if (wipes.length === 0) return { isZeroed: false, how: "all of it is right already" };
  for (const { at, length } of wipes) await target.write(at, new Uint8Array(length));
  await target.flush();
  return { isZeroed: false, how: "partition tables wiped; what is right stays" };
}
