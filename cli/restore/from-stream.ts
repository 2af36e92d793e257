import { hostname } from "node:os";
import { resolveLocal } from "../../agent/client/mdns-name.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { describeStream } from "../../agent/stream/describe.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { type AsrUrl, pickStream } from "../asr/url.ts";
import { trustedKeys } from "../image/trust.ts";
import { interfaceAddress } from "../settings/interface-address.ts";
import { beginTarget, heldBy, type Job, type Restored, verifyAndSettle } from "./job.ts";
import { askToErase } from "./question.ts";
import { refuseSource } from "./refusals.ts";
import { acceptServer, sameStream, signerOfStream, streamsOf } from "./stream.ts";
import { checkTarget, needOf } from "./target.ts";

/** How long a server that does not answer yet is asked again. */
const SERVER_PATIENCE_MS = 20_000;

/** Restores from a running stream. */
export async function restoreStream(job: Job, given: AsrUrl): Promise<Restored> {
  const { flags, output, log, signal } = job;
  const url = { ...given, server: await resolveLocal(given.server, log) };
  const ownAddress = flags.interface === undefined ? undefined : interfaceAddress(flags.interface);
  const control = new StreamControl({ server: url.server, signal });
  try {
    const checked = await output.step("Validating target", "validate", async () => {
      await refuseSource(flags.source, flags.target, flags.dataDir);
      return checkTarget(flags.target, log);
    });
    const { streamId, trusted, described } = await output.step("Validating source", "validate", async () => {
      const patienceMs = Math.min(SERVER_PATIENCE_MS, flags.timeout || SERVER_PATIENCE_MS);
      const picked = pickStream(await streamsOf(control, url, { patienceMs, signal }), url);
      const keys = trustedKeys(flags.trust, flags.dataDir) ?? [await acceptServer(control, picked, url)];
      return { streamId: picked, trusted: keys, described: await describeStream(control, picked, keys) };
    });
    const { manifest, info } = described;
    const { manifestDigest } = info.description;
    const signedBy = await signerOfStream(control, streamId, manifestDigest, trusted);
    const target = await checked.fit(needOf(manifest));
    try {
      await askToErase(flags, output, checked.title, job.ask);
      const held = await heldBy(job, manifest, target);
      await receiveStream({
        server: url.server,
        streamId,
        trusted,
        described,
        target: target.blocks,
        held,
        name: hostname(),
        interfaceAddress: ownAddress,
        ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
        beforeWrite: async () => {
          const erased = await beginTarget(job, target, held);
          // What was checked before the erase must still be so.
          await output.step("Retrieving scan information", "validate", () =>
            sameStream(control, streamId, manifestDigest),
          );
          await output.step("Validating sizes", "validate", () => checked.fit(needOf(manifest)));
          return erased;
        },
        onProgress: (progress) => output.received(progress),
        onMark: (mark) => output.mark(mark),
        signal,
        log,
      });
      output.complete("restore");
      job.progress.target = "written";
      await verifyAndSettle(job, manifest, target);
    } finally {
      await target.close();
    }
    return { manifest, signedBy };
  } finally {
    await control.close();
  }
}
