import { pino } from "pino";
import { parseWebUrl } from "../../server/images/web-answer.ts";
import { parseAsrUrl } from "../asr/url.ts";
import { interruption } from "../terminal/interruption.ts";
import { outputOptions, print } from "../terminal/output.ts";
import { restoreLocal } from "./from-local.ts";
import { restoreStream } from "./from-stream.ts";
import { restoreWeb } from "./from-web.ts";
import { type RestoreFlags, verifyRuleOf } from "./job.ts";
import type { Ask } from "./question.ts";
import { eraseMissing } from "./refusals.ts";
import type { RestoreOutput } from "./screen.ts";
import { type TargetState, withTargetState } from "./target-state.ts";

/**
 * One restore from its first check to the target that the system sees again.
 *
 * @throws {Fault} ERASE_NOT_ORDERED; those of each source and target, which say what state the target is in
 */
export async function runRestore(flags: RestoreFlags, output: RestoreOutput, ask?: Ask): Promise<void> {
  if (flags.erase !== true && flags.delta !== true) throw eraseMissing(flags.source);
  verifyRuleOf(flags);
  const interrupted = interruption();
  const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));
  try {
    output.start();
    const progress: TargetState = { target: "untouched" };
    const job = { flags, output, log, signal: interrupted.signal, progress, ask };
    const url = parseAsrUrl(flags.source);
    const web = parseWebUrl(flags.source);
    const restored =
      url !== undefined ? restoreStream(job, url) : web !== undefined ? restoreWeb(job, web) : restoreLocal(job);
    const { manifest, signedBy } = await restored.catch((error: unknown) => {
      throw withTargetState(error, flags.target, progress);
    });
    output.finish();
    const { tag } = manifest;
    if (outputOptions().json) {
      const isVerified = verifyRuleOf(flags).how === "whole";
      print(
        JSON.stringify({
          image: tag.name,
          imageVersion: tag.version,
          target: flags.target,
          diskBytes: manifest.diskBytes,
          isVerified,
          signedBy: signedBy ?? null,
        }),
      );
    }
  } finally {
    interrupted.dispose();
  }
}
