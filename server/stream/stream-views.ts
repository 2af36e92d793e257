import type { StreamInfo } from "../../agent/contract.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { SentMeter } from "../../multicast/sent-meter.ts";
import { receiverFigures, type StreamFigures } from "./figures.ts";
import { isActive } from "./report-lateness.ts";
import type { StreamRate } from "./stream-rate.ts";
import type { StreamWire } from "./stream-wire.ts";

/** A stream as its receivers see it. */
export function streamInfo(
  { description, session }: StreamWire,
  { tag, diskBytes }: Manifest,
  state: StreamInfo["state"],
): StreamInfo {
  const { packs, ...rest } = description;
  return {
    description: { ...rest, packs: packs.map(([first, count]): [number, number] => [first, count]) },
    image: tag.name,
    imageVersion: tag.version,
    diskBytes,
    state,
    receivers: session.receivers.filter(isActive).length,
  };
}

/** A stream as people and programs see it. */
export function streamFigures(
  { description, layout, session, socket }: StreamWire,
  { tag }: Manifest,
  { rate, sent, now }: { readonly rate: StreamRate; readonly sent: SentMeter; readonly now: number },
): StreamFigures {
  return {
    streamId: description.streamId,
    image: tag.name,
    imageVersion: tag.version,
    state: session.state,
    waitingFor: session.waitingFor,
    rateBytesPerSecond: Math.round(sent.bytesPerSecond(now)),
    mode: rate.mode,
    mostBytesPerSecond: Math.round(rate.bytesPerSecond),
    rateWhy: rate.why,
    sentBytes: sent.bytes,
    refused: socket.refused,
    pass: session.pass,
    blocks: layout.blockCount,
    receivers: session.receivers.map(receiverFigures),
  };
}
