import type { ReceiverFigures } from "../stream/figures.ts";

/** What the stream knows of one host's way. */
export type HostLink = {
  /** Of what was sent to it, the share that did not arrive: 0 to 1. */
  readonly lossShare: number;
  /** Why it is slower than the others, one sentence; empty when it is not. */
  readonly slow: string;
};

/** A cable that loses less is no reason to look at it. */
const NOTED_LOSS = 0.01;
/** What the others lose as well is no cable. */
const OTHERS_TIMES = 3;
/** Share of the packs that a host may be behind the middle one. */
const NOTED_BEHIND = 0.15;

/** Who of a stream's receivers is slow, and why: the one bad cable stands out. By the registered host's id. */
export function linksOf(receivers: readonly ReceiverFigures[]): ReadonlyMap<string, HostLink> {
  const active = receivers.filter(({ state }) => state === "ready" || state === "receiving");
  const usualLoss = middleOf(active.map(({ lossShare }) => lossShare));
  const usualShare = middleOf(active.map(shareOf));
  return new Map(
    receivers.map((receiver) => {
      const { id, lossShare, why, state } = receiver;
      const isAtWork = state === "ready" || state === "receiving";
      const slow = !isAtWork ? "" : why !== "" ? why : slowness(receiver, { usualLoss, usualShare, of: active.length });
      return [id, { lossShare, slow }];
    }),
  );
}

function slowness(
  receiver: ReceiverFigures,
  usual: { readonly usualLoss: number; readonly usualShare: number; readonly of: number },
): string {
  const { lossShare } = receiver;
  // Alone there is nobody to be slower than.
  const { usualLoss, usualShare, of } = usual;
  if (lossShare >= NOTED_LOSS && (of === 1 || lossShare > usualLoss * OTHERS_TIMES)) {
    const others = of === 1 ? "" : `, the others ${percent(usualLoss)}`;
    return `it loses ${percent(lossShare)}${others}: look at its cable and its port`;
  }
  if (of > 1 && usualShare - shareOf(receiver) > NOTED_BEHIND) {
    return `it has ${percent(shareOf(receiver))}, the others ${percent(usualShare)}: it came later, or its disk is slower`;
  }
  return "";
}

function shareOf({ packsDone, packsTotal }: ReceiverFigures): number {
  return packsTotal === 0 ? 1 : packsDone / packsTotal;
}

function middleOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
}

function percent(share: number): string {
  const value = share * 100;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}
