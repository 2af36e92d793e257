import type { Logger } from "pino";
import type { Manifest } from "../images/manifest.ts";
import { differingCells } from "../images/verify.ts";
import { ImageThreads } from "../server/images/image-threads.ts";
import type { PassphraseFlags } from "./passphrase.ts";
import type { Ask } from "./restore-question.ts";
import type { RestoreOutput } from "./restore-screen.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { differs, type TargetState } from "./restore-target-state.ts";

/** What a restore was told. */
export type RestoreFlags = PassphraseFlags & {
  readonly source: string;
  readonly target: string;
  readonly erase?: boolean;
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

/** Reads the target back, unless that was forbidden, and lets the system see it. @throws {Fault} VERIFY_FAILED */
export async function verifyAndSettle(
  { flags, output, signal }: Job,
  manifest: Manifest,
  target: RestoreTarget,
): Promise<void> {
  if (flags.noverify !== true) {
    const source = await target.readBack();
    const threads = new ImageThreads();
    try {
      const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) =>
        output.progress("verify", doneBytes / totalBytes);
      for await (const cell of differingCells(manifest, source, { work: threads, onProgress, signal }))
        throw differs(flags.target, cell);
    } finally {
      await threads.close();
      await source.close();
    }
    output.complete("verify");
  }
  await output.step("Remounting target volume", "finish", () => target.settle());
}

/** The target is open, and is about to lose its content. */
export function noteErase({ progress }: Job): void {
  progress.target = "incomplete";
}
