import { type DiskLayout, placeOnDisk } from "../../agent/disk/fault.ts";
import { Fault } from "../../fault.ts";
import { CELL_BYTES } from "../../images/cell.ts";

/** What a restore that ends early leaves behind; it is said with the error. */
export type TargetState = { target: "untouched" | "incomplete" | "written" };

/** An error of a restore, as a Fault that says what state the target is in. */
export function withTargetState(error: unknown, target: string, progress: TargetState): unknown {
  if (progress.target === "untouched") return error;
  const state =
    progress.target === "written"
      ? `${target} is written, but was not read back to its end.`
      : `${target} is incomplete and does not boot.`;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (error instanceof Fault) {
    // Some say it themselves.
    if (error.code === "VERIFY_FAILED" || error.what.includes("does not boot")) return error;
    return new Fault(error.code, { what: `${error.what} ${state}`, why: error.why, fix: error.fix }, error);
  }
  if (["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) {
    return new Fault(
      "TARGET_FULL",
      {
        what: `There is no room left for ${target}. ${state}`,
        why: "Something else took the room that was free when the restore began.",
        fix: "Make room, then start the restore again.",
      },
      error,
    );
  }
  if (!/^E[A-Z]+$/.test(code)) return error;
  return new Fault(
    "TARGET_BROKEN",
    {
      what: `The restore to ${target} failed. ${state}`,
      why: (error as Error).message,
      fix: "Look at the disk (dmesg, smartctl), then start the restore again, or take another disk.",
    },
    error,
  );
}

/** The target, read back, is not what was written. `cell` is the first that differs. */
export function differs(target: string, cell: number, layout: DiskLayout): Fault {
  return new Fault("VERIFY_FAILED", {
    what: `${target} does not hold what was written: it differs at ${placeOnDisk(cell * CELL_BYTES, layout)}.`,
    why: "The disk returned other bytes than it was given.",
    fix: "Replace the disk; check its cable and the machine's memory.",
  });
}
