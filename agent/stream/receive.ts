import { StreamLayout } from "../../multicast/layout.ts";
import { StreamControl } from "./control.ts";
import { describeStream } from "./describe.ts";
import { streamOfParts, targetTooSmall } from "./faults.ts";
import { GroupKeys } from "./group-keys.ts";
import type { Received, ReceiveOptions } from "./receive-options.ts";
import { Reception } from "./reception.ts";

/**
 * Restores one image from a running stream: joins it, waits until it arrives,
 * has the target erased, writes every pack as soon as it is complete and
 * checked, fetches what is missing by unicast, and writes the partition table
 * when everything else is safe on the disk.
 *
 * Memory is bounded: while the disk is busy, symbols that do not fit are let
 * go, and come again.
 *
 * @throws {Fault} TARGET_TOO_SMALL, STREAM_MISMATCH, STREAM_KEY_MISSING, STREAM_NOT_ARRIVING, STREAM_SILENT, PACK_WRONG, and those of
 *   `describeStream`, the target and `beforeWrite`; the signal's reason when it is aborted
 */
export async function receiveStream(options: ReceiveOptions): Promise<Received> {
  const groupKeys = options.groupKeys ?? new GroupKeys();
  const control = new StreamControl({ ...options, groupKeys });
  // Without the signal: the last word, that the restore was stopped, must still be said.
  const reports = new StreamControl({ server: options.server, token: options.token, groupKeys });
  let reception: Reception | undefined;
  try {
    const described = options.described ?? (await describeStream(control, options.streamId, options.trusted));
    const { manifest, info } = described;
    if (options.target.sizeBytes < manifest.diskBytes)
      throw targetTooSmall(options.target.sizeBytes, manifest.diskBytes);
    const layout = new StreamLayout(info.description, manifest.packs);
    // Only the manifest is signed: who describes the stream may be somebody else.
    if (layout.packCount < manifest.packs.length) throw streamOfParts(layout.packCount, manifest.packs.length);
    reception = new Reception(options, { control, reports, groupKeys }, described, layout);
    return await reception.run();
  } finally {
    await reception?.close();
    await control.close();
    await reports.close();
  }
}
