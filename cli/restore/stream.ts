import { createHash, type KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { StreamInfo } from "../../agent/contract.ts";
import type { StreamControl } from "../../agent/stream/control.ts";
import { Fault } from "../../fault.ts";
import { keyFingerprint, signerOf } from "../../images/signature.ts";
import type { AsrUrl } from "../asr/url.ts";
import { serverKey } from "../image/trust.ts";
import { say } from "../terminal/output.ts";

const ASK_AGAIN_MS = 500;

/**
 * The streams that a server runs. Both ends are often started in the same minute, and the sender scans its source
 * first: a server that does not answer yet is asked again for `patienceMs`, and this is said.
 *
 * @throws {Fault} SERVER_UNREACHABLE when it does not answer until then
 */
export async function streamsOf(
  control: Pick<StreamControl, "streams">,
  { server }: AsrUrl,
  { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
): Promise<readonly StreamInfo[]> {
  const deadline = performance.now() + patienceMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return (await control.streams()).streams;
    } catch (error) {
      const isAbsent = error instanceof Fault && error.code === "SERVER_UNREACHABLE";
      if (!isAbsent || performance.now() + ASK_AGAIN_MS > deadline) throw error;
      if (isFirst) say(`${server.host} does not answer yet; asking for ${Math.round(patienceMs / 1000)} s.`);
      // What stopped us is said, not that a timer was stopped.
      await sleep(ASK_AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** The key that the server names, for people who have no site key here; its fingerprint is shown. */
export async function acceptServer(control: StreamControl, streamId: string, { server }: AsrUrl) {
  const { key, fingerprint } = serverKey(await control.key(streamId));
  say(
    `Trusting the key of ${server.host}, ${fingerprint.slice(0, 32)}, because no site key is known here (--trust FILE names one).`,
  );
  return key;
}

/** @throws {Fault} STREAM_MISMATCH when the stream has another manifest by now */
export async function sameStream(control: StreamControl, streamId: string, manifestDigest: string): Promise<void> {
  const { description } = await control.info(streamId);
  if (description.manifestDigest === manifestDigest) return;
  throw replaced("The stream was replaced while the target was erased. The target is empty now.");
}

/** The fingerprint of the key that signed the stream's manifest; the signature was checked against `trusted` before. */
export async function signerOfStream(
  control: Pick<StreamControl, "manifest">,
  streamId: string,
  manifestDigest: string,
  trusted: readonly KeyObject[],
): Promise<string> {
  if (trusted.length === 1) return keyFingerprint(trusted[0]!);
  const bytes = await control.manifest(streamId);
  if (createHash("sha256").update(bytes).digest("hex") === manifestDigest) return signerOf(bytes);
  throw replaced("The stream was replaced while it was looked at. Nothing was erased.");
}

function replaced(what: string): Fault {
  return new Fault("STREAM_MISMATCH", {
    what,
    why: "Another image is sent under the same stream.",
    fix: "Start the restore again.",
  });
}
