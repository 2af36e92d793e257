import { randomInt } from "node:crypto";
import type { Logger } from "pino";
import { lookAtDisk } from "../../agent/disk/held-disk.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import { isSampled, parseVerifyRule, type VerifyRule } from "../../agent/disk/verify-plan.ts";
import { openCellThreads } from "../../agent/threads/cell-threads.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import type { Manifest } from "../../images/manifest.ts";
import { differingCells } from "../../images/verify.ts";
import type { PassphraseFlags } from "../image/passphrase.ts";
import type { Ask } from "./question.ts";
import type { RestoreOutput } from "./screen.ts";
import type { RestoreTarget } from "./target.ts";
import { differs, type TargetState } from "./target-state.ts";

/** What a restore was told. */
export type RestoreFlags = PassphraseFlags & {
  readonly source: string;
  readonly target: string;
  readonly erase?: boolean;
  /** What is right on the target already stays. */
  readonly delta?: boolean;
  /** How much is read back: agent/disk/verify-plan.ts. */
  readonly verify?: string;
  readonly noprompt?: boolean;
  readonly noverify?: boolean;
  readonly puppetstrings?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly interface?: string;
  readonly trust?: string;
  readonly dataDir: string;
  readonly storeKey?: string;
};

/** One restore, under way. */
export type Job = {
  readonly flags: RestoreFlags;
  readonly output: RestoreOutput;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly progress: TargetState;
  /** How a person is asked; default: on the terminal. */
  readonly ask?: Ask | undefined;
};

/** What was restored, and the fingerprint of the key that signed it; a plain file on a web server has none. */
export type Restored = { readonly manifest: Manifest; readonly signedBy: string | undefined };

/**
 * What the target holds of the image already, where that is to stay.
 *
 * @returns undefined: everything comes anew
 */
export async function heldBy(
  { flags, output, log, signal }: Job,
  manifest: Manifest,
  target: RestoreTarget,
): Promise<HeldCells | undefined> {
  if (flags.delta !== true) return undefined;
  const source = await target.readNow();
  if (source === undefined) return undefined;
  const work = await openCellThreads(log);
  try {
    const held = await lookAtDisk(manifest, source, {
      work,
      signal,
      onProgress: ({ doneBytes, totalBytes }) => output.progress("compare", doneBytes / totalBytes),
      onUnreadable: ({ what }) => log.warn(what),
    });
    output.complete("compare");
    const { keptBytes, neededBytes } = held.count();
    output.note(`${formatSize(keptBytes)} of ${flags.target} are right, ${formatSize(neededBytes)} are to come`);
    return held;
  } finally {
    await work.close();
    await source.close();
  }
}

/** Makes the target ready to be written: empties it, or takes away only what makes it look bootable. */
export async function beginTarget(
  job: Job,
  target: RestoreTarget,
  held: HeldCells | undefined,
): Promise<{ readonly isZeroed: boolean }> {
  const { flags, output } = job;
  if (held === undefined) {
    return output.step(`Erasing target device ${flags.target}`, "erase", () => target.erase(() => noteErase(job)));
  }
  await output.step(`Opening target device ${flags.target}`, "erase", () => target.keep(held, () => noteErase(job)));
  return { isZeroed: false };
}

/** Reads the target back, unless that was forbidden, and lets the system see it. @throws {Fault} VERIFY_FAILED, VERIFY_RULE */
export async function verifyAndSettle(
  { flags, output, log, signal }: Job,
  manifest: Manifest,
  target: RestoreTarget,
): Promise<void> {
  const rule = verifyRuleOf(flags);
  if (rule.how !== "none") {
    const source = await target.readBack();
    const work = await openCellThreads(log);
    try {
      const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) =>
        output.progress("verify", totalBytes === 0 ? 1 : doneBytes / totalBytes);
      const isPicked = (firstCell: number) => rule.how === "whole" || isSampled(rule, firstCell);
      for await (const cell of differingCells(manifest, source, { work, isPicked, onProgress, signal }))
        throw differs(flags.target, cell, manifest);
    } finally {
      await work.close();
      await source.close();
    }
    output.complete("verify");
  }
  await output.step("Remounting target volume", "finish", () => target.settle());
}

/** @throws {Fault} VERIFY_RULE */
export function verifyRuleOf({ verify, noverify }: Pick<RestoreFlags, "verify" | "noverify">): VerifyRule {
  return parseVerifyRule(noverify === true ? "none" : (verify ?? "whole"), () => randomInt(2 ** 32));
}

/** The target is open, and is about to lose its content. */
export function noteErase({ progress }: Job): void {
  progress.target = "incomplete";
}
