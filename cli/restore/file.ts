import { lstatSync } from "node:fs";
import { Fault } from "../../fault.ts";

/**
 * Where a restore goes, by `--target` or `--file`. A file that is not there yet can be made without an order to erase
 * and without a question: nothing is lost by it.
 *
 * @throws {Fault} USAGE when it is both or neither, ERASE_NOT_ORDERED when the file of `--file` is there
 */
export function restoreTarget(flags: {
  readonly target?: string;
  readonly file?: string;
  readonly erase?: boolean;
  readonly delta?: boolean;
}): { readonly target: string } | { readonly target: string; readonly erase: true; readonly noprompt: true } {
  const { target, file, erase, delta } = flags;
  if (file === undefined && target !== undefined) return { target };
  if (file === undefined || target !== undefined) {
    throw new Fault("USAGE", {
      what: "It is not clear where the image is to go. Nothing was done.",
      why: "A restore has one target: --target names a disk or a file to be replaced, --file a new file.",
      fix: "Give one of the two.",
    });
  }
  const isThere = lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  if (!isThere) return { target: file, erase: true, noprompt: true };
  if (erase === true || delta === true) return { target: file };
  throw new Fault("ERASE_NOT_ORDERED", {
    what: `${file} was not written, because it exists.`,
    why: "--file makes a new file; what is there would be lost.",
    fix: "Give another name, or add --erase when it may be replaced.",
  });
}
