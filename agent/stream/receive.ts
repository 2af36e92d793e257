import { StreamLayout } from "../../multicast/layout.ts";
import { untilServerAnswers } from "./ask-again.ts";
import { StreamControl } from "./control.ts";
import { describeAgain, describeStream } from "./describe.ts";
import { streamOfParts, targetTooSmall } from "./faults.ts";
import { GroupKeys } from "./group-keys.ts";
import type { Received, ReceiveOptions } from "./receive-options.ts";
import { Reception } from "./reception.ts";
import { isDescribedAnew } from "./reporter.ts";
import { RestoreTarget } from "./restore-target.ts";

/** A stream changes once before it begins, and a server that was restarted once more. More often, something is wrong. */
const MOST_DESCRIPTIONS = 10;

/**
 * Restores one image from a running stream: joins it, waits until it arrives,
 * has the target erased, writes every pack as soon as it is complete and
 * checked, fetches what is missing by unicast, and writes the partition table
 * when everything else is safe on the disk.
 *
 * A stream may get another description before it begins, or when its server is restarted: then it is joined again, and
 * what was erased and written stays as it is.
 *
 * Memory is bounded: while the disk is busy, symbols that do not fit are let
 * go, and come again.
 *
 * @throws {Fault} TARGET_TOO_SMALL, STREAM_MISMATCH, STREAM_KEY_MISSING, STREAM_NOT_ARRIVING, STREAM_SILENT, PACK_WRONG, and those of
 *   `describeStream`, the target and `beforeWrite`; the signal's reason when it is aborted
 */
export async function receiveStream(options: ReceiveOptions): Promise<Received> {
  const groupKeys = options.groupKeys ?? new GroupKeys();
  const onWait = (why: string) => options.log.info({ stream: options.streamId, why }, "waiting for the server");
  let control = new StreamControl({ ...options, groupKeys });
  // Without the signal: the last word, that the restore was stopped, must still be said.
  const reports = new StreamControl({ server: options.server, token: options.token, groupKeys });
  try {
    let described = options.described ?? (await describeStream(control, options.streamId, options.trusted));
    const { manifest } = described;
    if (options.target.sizeBytes < manifest.diskBytes)
      throw targetTooSmall(options.target.sizeBytes, manifest.diskBytes);
    const restore = new RestoreTarget(manifest, options);
    for (let descriptions = 1; ; descriptions += 1) {
      const layout = new StreamLayout(described.info.description, manifest.packs);
      // Only the manifest is signed: who describes the stream may be somebody else.
      if (layout.packCount < manifest.packs.length) throw streamOfParts(layout.packCount, manifest.packs.length);
      const reception = new Reception(options, { control, reports, groupKeys }, described, layout, restore);
      try {
        return await reception.run();
      } catch (error) {
        if (!isDescribedAnew(error) || descriptions === MOST_DESCRIPTIONS) throw error;
        options.log.info({ stream: options.streamId, why: error.what }, "the stream is described anew");
      } finally {
        await reception.close();
      }
      // The reception has closed its own, to end what was under way on it.
      control = new StreamControl({ ...options, groupKeys });
      const known = described;
      described = await untilServerAnswers(() => describeAgain(control, known), { onWait, signal: options.signal });
    }
  } finally {
    await control.close();
    await reports.close();
  }
}
