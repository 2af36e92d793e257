import { formatSize } from "../../agent/disk/sizes.ts";
import { drawMap } from "../../multicast/missing-map.ts";
import { formatRate } from "../../multicast/rate.ts";
import type { ReceiverFigures, StreamFigures } from "../../server/stream/figures.ts";
import { table } from "../terminal/table.ts";

const MAP_WIDTH = 40;
const MOST_NAMED = 5;

/** "11.8 MB/s now, pass 1, 1.2 GiB sent; packets lost: lab-07 3.10 %" */
export function figuresLine(figures: StreamFigures): string {
  const { rateBytesPerSecond, pass, sentBytes, receivers } = figures;
  const lossy = receivers
    .filter(({ state, lossShare }) => state === "receiving" && lossShare >= 0.0001)
    .sort((left, right) => right.lossShare - left.lossShare);
  const named = lossy.slice(0, MOST_NAMED).map(({ name, lossShare }) => `${name} ${percent(lossShare)}`);
  const more = lossy.length > MOST_NAMED ? ` and ${lossy.length - MOST_NAMED} more` : "";
  const loss = named.length === 0 ? "" : `; packets lost: ${named.join(", ")}${more}`;
  return `${formatRate(rateBytesPerSecond)} now, pass ${pass}, ${formatSize(sentBytes)} sent${loss}`;
}

/** A line for each receiver: loss, how far it is, and a map of what it lacks ("x") beside what it has ("."). */
export function receiversTable({ receivers, blocks }: StreamFigures): string {
  const rows = receivers.map((receiver) => [
    receiver.name,
    receiver.state,
    percent(receiver.lossShare),
    donePercent(receiver),
    receiver.missing === null ? "" : drawMap(receiver.missing, blocks, MAP_WIDTH),
    receiver.why,
  ]);
  return table([["RECEIVER", "STATE", "LOST", "DONE", "MISSING", ""], ...rows]);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function donePercent({ packsDone, packsTotal }: ReceiverFigures): string {
  return `${Math.floor(packsTotal === 0 ? 100 : (packsDone / packsTotal) * 100)} %`;
}
