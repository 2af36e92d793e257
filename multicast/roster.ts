import type { CanaryCount } from "./canary-burst.ts";
import type { Runs } from "./missing-map.ts";

/** A receiver that has not reported for so long is lost. */
export const LOST_AFTER_MS = 60_000;

/** As many receivers as one stream knows; the memory of a server ends, and whoever is on its network may join. */
export const MOST_RECEIVERS = 4096;

/** A receiver's own word about itself; "lost" is the sender's word. */
export type ReceiverState = "joined" | "ready" | "receiving" | "done" | "failed" | "left" | "lost";

/** How a host is served that the room does not wait for. */
export type Aside = {
  /** "frames": those of this stream do not come through to it. "alone": it is the only one (alone.ts). */
  readonly cause: "link" | "disk" | "frames" | "alone";
  /** "later": when the others are done. "slower": by the group, at the pace of those who are left. */
  readonly way: "later" | "slower" | "unicast";
  /** For people: "its link loses 30 %: the rest by unicast"; empty where nobody goes before it. */
  readonly why: string;
};

export type Receiver = {
  readonly id: string;
  readonly name: string;
  readonly hostId: string | undefined;
  readonly state: ReceiverState;
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** How long datagrams waited on their way to it when it said so last. */
  readonly delayMs?: number;
  /** The blocks that it lacked when it said so last; undefined before. */
  readonly missing?: Runs;
  /** Why and how it is not served with the others; undefined when it is. */
  readonly aside?: Aside | undefined;
  readonly reportedAt: number;
};

/** What a receiver reports; the symbol counts are since its last report. */
export type ReceiverReport = {
  readonly state: Exclude<ReceiverState, "lost">;
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** See DelayMeter. */
  readonly delayMs?: number;
  /** A map of the blocks that it lacks. */
  readonly missing?: Runs;
  /** What arrived waits for the disk: it has no room for more. */
  readonly waitsForDisk?: boolean;
  /** What the disk took lately, while it was busy. */
  readonly writeBytesPerSecond?: number;
  /** Of the canaries before the first symbol. */
  readonly canary?: CanaryCount;
  /** The group arrived before this receiver had asked for it. */
  readonly isFlooded?: boolean;
  /** Nothing of a stream of large frames arrives. */
  readonly lacksFrames?: boolean;
};

/**
 * The receivers of one stream and what each said last. Owns no clock: times
 * come in, in milliseconds.
 */
export class Roster {
  readonly #receivers = new Map<string, Receiver>();
  /** By the first 16 hex digits of the id: how a receiver signs its requests. */
  readonly #signers = new Map<string, string>();
  #active = 0;

  get receivers(): readonly Receiver[] {
    return [...this.#receivers.values()];
  }

  get size(): number {
    return this.#receivers.size;
  }

  /** Receivers that are not finished; counted at every change because it is asked for with every datagram. */
  get active(): number {
    return this.#active;
  }

  /** Undefined when it is full. The oldest one that is finished makes place; it can join again. */
  join(who: Pick<Receiver, "id" | "name" | "hostId" | "packsTotal">, now: number): Receiver | undefined {
    if (this.#receivers.size >= MOST_RECEIVERS) {
      const finished = this.receivers.find(({ state }) => !isActive(state));
      if (finished === undefined) return undefined;
      this.#receivers.delete(finished.id);
      this.#signers.delete(signerOf(finished.id));
    }
    const receiver: Receiver = {
      ...who,
      state: "joined",
      packsDone: 0,
      symbolsReceived: 0,
      symbolsLost: 0,
      reportedAt: now,
    };
    this.#signers.set(signerOf(receiver.id), receiver.id);
    this.#set(receiver);
    return receiver;
  }

  get(id: string): Receiver | undefined {
    return this.#receivers.get(id);
  }

  /** Those that are not finished. */
  actives(): Receiver[] {
    return this.receivers.filter(({ state }) => isActive(state));
  }

  /** The receiver that is not finished whose requests are signed with `signer` (see feedback.ts). */
  activeSigner(signer: string): Receiver | undefined {
    const receiver = this.#receivers.get(this.#signers.get(signer) ?? "");
    return receiver !== undefined && isActive(receiver.state) ? receiver : undefined;
  }

  /** Changes how a receiver is served. */
  setAside(receiver: Receiver, aside: Aside | undefined): Receiver {
    const changed: Receiver = { ...receiver, aside };
    this.#set(changed);
    return changed;
  }

  /** The receiver before and after its word; undefined when there is no such receiver. */
  report(id: string, report: ReceiverReport, now: number): { before: Receiver; receiver: Receiver } | undefined {
    const before = this.#receivers.get(id);
    if (before === undefined) return undefined;
    const { waitsForDisk: _, writeBytesPerSecond: __, canary: ___, isFlooded: ____, ...word } = report;
    const receiver: Receiver = {
      ...before,
      ...word,
      symbolsReceived: before.symbolsReceived + report.symbolsReceived,
      symbolsLost: before.symbolsLost + report.symbolsLost,
      reportedAt: now,
    };
    this.#set(receiver);
    return { before, receiver };
  }

  /** Those that are lost from now on, because they said nothing for so long. */
  loseSilent(now: number): readonly Receiver[] {
    const silent = this.receivers.filter(
      ({ state, reportedAt }) => isActive(state) && now - reportedAt >= LOST_AFTER_MS,
    );
    return silent.map((receiver) => {
      const lost: Receiver = { ...receiver, state: "lost" };
      this.#set(lost);
      return lost;
    });
  }

  count(...states: readonly ReceiverState[]): number {
    let count = 0;
    for (const { state } of this.#receivers.values()) if (states.includes(state)) count += 1;
    return count;
  }

  #set(receiver: Receiver): void {
    const before = this.#receivers.get(receiver.id);
    this.#receivers.set(receiver.id, receiver);
    this.#active += Number(isActive(receiver.state)) - Number(before !== undefined && isActive(before.state));
  }
}

/** How a receiver with this id (a UUID) signs its requests: its first 16 hex digits. */
export function signerOf(id: string): string {
  return id.replaceAll("-", "").slice(0, 16);
}

function isActive(state: ReceiverState): boolean {
  return state === "joined" || state === "ready" || state === "receiving";
}
