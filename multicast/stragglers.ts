import { formatRate } from "./rate.ts";
import type { Aside, Receiver, ReceiverReport } from "./roster.ts";

/** A host that loses less is served with the others. */
export const FLOOR_LOSS = 0.15;
/** Beyond what the others lose, too: a room that loses a fifth has no straggler that loses a fifth. */
const OTHERS_TIMES = 2;
const OTHERS_MORE = 0.05;
/** Reports are put together to looks of about a second. One that counts fewer datagrams says nothing about a link. */
const LOOK_MS = 900;
const LEAST_DATAGRAMS = 20;
const LEAST_LOOKS = 3;
/** How much the last look counts. */
const NEWEST_SHARE = 0.5;
/** So long must a disk be behind, or a link be good again. */
const LASTING_MS = 5_000;
/** A host that got no further by unicast for so long is served by the group again. */
const UNICAST_STALLED_MS = 15_000;

/** Nothing that the group brings can help it. */
const NO_FRAMES: Aside = {
  cause: "frames",
  way: "unicast",
  why: "the stream's large frames do not reach it: the rest by unicast",
};

type Measured = {
  looks: number;
  lossShare: number;
  receivedPerSecond: number;
  /** What was reported since the last look. */
  lookedAt: number;
  received: number;
  lost: number;
  /** Since when every report says that the disk is behind. */
  diskSince: number | undefined;
  writeBytesPerSecond: number | undefined;
  /** Large frames do not reach it. */
  lacksFrames: boolean;
  /** Since when its link is good, while it is served aside. */
  goodSince: number | undefined;
  packsDone: number;
  furtherAt: number;
  isUnicastUseless: boolean;
};

/**
 * Which hosts a room does not wait for, and how they get the rest.
 *
 * A host that loses far more than the others, or whose disk is behind, is
 * served aside: its requests are not heard while anybody else still needs
 * something, so it costs the room nothing. It takes what it can of what is
 * sent, and gets the rest when the others are done: several by the group at
 * their own pace, a single one by unicast, which finds that pace by itself. A
 * host that is alone is never a straggler.
 */
export class Stragglers {
  readonly #measured = new Map<string, Measured>();

  onReport(id: string, report: ReceiverReport, now: number): void {
    let measured = this.#measured.get(id);
    if (measured === undefined) {
      // Over which time its counts are is not known yet.
      measured = newMeasured(now);
      this.#measured.set(id, measured);
    } else {
      measured.received += report.symbolsReceived;
      measured.lost += report.symbolsLost;
    }
    if (now - measured.lookedAt >= LOOK_MS) look(measured, now);
    measured.diskSince = report.waitsForDisk === true ? (measured.diskSince ?? now) : undefined;
    measured.writeBytesPerSecond = report.writeBytesPerSecond ?? measured.writeBytesPerSecond;
    measured.lacksFrames = report.lacksFrames === true;
    if (report.packsDone > measured.packsDone) measured.furtherAt = now;
    measured.packsDone = report.packsDone;
  }

  /** Nothing is known of it any more. */
  forget(id: string): void {
    this.#measured.delete(id);
  }

  /**
   * How each receiver that is not finished is to be served from now on; undefined: with the others.
   *
   * @param isRestByUnicast the stream has one pass: the group is not used again
   */
  judge(active: readonly Receiver[], now: number, isRestByUnicast: boolean): ReadonlyMap<string, Aside | undefined> {
    const cutOff = active.filter(({ id }) => this.#measured.get(id)?.lacksFrames === true);
    const judged = this.#judge(
      cutOff.length === 0 ? active : active.filter((receiver) => !cutOff.includes(receiver)),
      now,
      isRestByUnicast,
    );
    for (const { id } of cutOff) judged.set(id, NO_FRAMES);
    return judged;
  }

  #judge(active: readonly Receiver[], now: number, isRestByUnicast: boolean): Map<string, Aside | undefined> {
    const losses = active.map(({ id }) => this.lossOf(id) ?? 0).sort((left, right) => left - right);
    // Of the better ones: where a quarter of the room is served well, the rest is not the room's pace.
    const usual = losses[(losses.length - 1) >> 2] ?? 0;
    const floor = Math.max(FLOOR_LOSS, usual * OTHERS_TIMES + OTHERS_MORE);
    const causes = new Map(active.map((receiver) => [receiver.id, this.#causeOf(receiver, floor, now)]));
    const asideCount = [...causes.values()].filter((cause) => cause !== undefined).length;
    const isRoomDone = asideCount === active.length;
    // Everybody is behind, and nobody was before: then that is the room's pace. (A disk that is alone gets what it can
    // take by unicast, and is sent nothing that it has no room for.)
    if (isRoomDone && active.length > 1 && active.every(({ aside }) => aside === undefined || aside.cause === "alone"))
      return new Map(active.map(({ id }) => [id, undefined]));
    const links = [...causes.values()].filter((cause) => cause === "link").length;
    const isAlone = isRestByUnicast || links === 1;
    return new Map(
      active.map((receiver) => {
        const cause = causes.get(receiver.id);
        if (cause === undefined) return [receiver.id, undefined];
        const way = isRoomDone ? this.#wayOf(receiver, cause, { isAlone, isRestByUnicast }, now) : "later";
        return [receiver.id, { cause, way, why: this.#why(receiver, cause, way) }];
      }),
    );
  }

  /** Of the datagrams that were sent to it, the share that it lost lately; undefined when that is not known. */
  lossOf(id: string): number | undefined {
    const measured = this.#measured.get(id);
    return measured === undefined || measured.looks < LEAST_LOOKS ? undefined : measured.lossShare;
  }

  /** Datagrams a second that arrived lately. */
  receivedPerSecondOf(id: string): number {
    return this.#measured.get(id)?.receivedPerSecond ?? 0;
  }

  #causeOf({ id, aside }: Receiver, floor: number, now: number): Aside["cause"] | undefined {
    const measured = this.#measured.get(id);
    if (measured === undefined) return undefined;
    const isDiskBehind = measured.diskSince !== undefined && now - measured.diskSince >= LASTING_MS;
    const loss = this.lossOf(id) ?? 0;
    if (aside === undefined || aside.cause === "frames" || aside.cause === "alone")
      return loss > floor ? "link" : isDiskBehind ? "disk" : undefined;
    // It is served with the others again when that would have been right for a while. What it loses when nothing
    // is sent to it is no proof.
    const isGood = aside.cause === "link" ? loss < FLOOR_LOSS / 2 : measured.diskSince === undefined;
    measured.goodSince = isGood && aside.way === "later" ? (measured.goodSince ?? now) : undefined;
    if (measured.goodSince === undefined || now - measured.goodSince < LASTING_MS) return aside.cause;
    measured.goodSince = undefined;
    return undefined;
  }

  #wayOf(
    { id, aside }: Receiver,
    cause: Aside["cause"],
    { isAlone, isRestByUnicast }: { readonly isAlone: boolean; readonly isRestByUnicast: boolean },
    now: number,
  ): Aside["way"] {
    const measured = this.#measured.get(id)!;
    if (isRestByUnicast) return "unicast";
    if (aside?.way !== "unicast") {
      if (measured.isUnicastUseless || (cause === "link" && !isAlone)) return "slower";
      measured.furtherAt = now;
      return "unicast";
    }
    // A link that loses at random stops TCP; repairs by the group still get through.
    if (now - measured.furtherAt >= UNICAST_STALLED_MS) measured.isUnicastUseless = true;
    return measured.isUnicastUseless ? "slower" : "unicast";
  }

  #why({ id, aside }: Receiver, cause: Aside["cause"], way: Aside["way"]): string {
    const rest = {
      later: "it gets the rest after the others",
      slower: "the rest at its own pace",
      unicast: "the rest by unicast",
    };
    // What was seen when it was put aside stays the reason: later figures are those of another pace.
    const seen = aside?.cause === cause ? aside.why.slice(0, aside.why.indexOf(":")) : this.#reason(id, cause);
    return `${seen}: ${rest[way]}`;
  }

  #reason(id: string, cause: Aside["cause"]): string {
    const measured = this.#measured.get(id)!;
    if (cause === "link") return `its link loses ${Math.round(measured.lossShare * 100)} %`;
    const { writeBytesPerSecond } = measured;
    return writeBytesPerSecond === undefined
      ? "its disk is behind"
      : `its disk writes ${formatRate(writeBytesPerSecond)}`;
  }
}

function look(measured: Measured, now: number): void {
  const { received, lost } = measured;
  if (received + lost >= LEAST_DATAGRAMS) {
    const share = measured.looks === 0 ? 1 : NEWEST_SHARE;
    const perSecond = received / ((now - measured.lookedAt) / 1_000);
    measured.lossShare += share * (lost / (received + lost) - measured.lossShare);
    measured.receivedPerSecond += share * (perSecond - measured.receivedPerSecond);
    measured.looks += 1;
  }
  measured.lookedAt = now;
  measured.received = 0;
  measured.lost = 0;
}

function newMeasured(now: number): Measured {
  return {
    looks: 0,
    lossShare: 0,
    receivedPerSecond: 0,
    lookedAt: now,
    received: 0,
    lost: 0,
    diskSince: undefined,
    writeBytesPerSecond: undefined,
    lacksFrames: false,
    goodSince: undefined,
    packsDone: 0,
    furtherAt: now,
    isUnicastUseless: false,
  };
}
