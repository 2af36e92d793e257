import { SYMBOL_BYTES } from "../../multicast/description.ts";
import { lackFrames } from "../../multicast/frame-agreement.ts";
import type { StreamReceiver } from "../../multicast/receiver.ts";
import { notArriving, silent } from "./faults.ts";
import type { Reporter } from "./reporter.ts";
import type { RestoreTarget } from "./restore-target.ts";
import type { UnicastFetcher } from "./unicast.ts";

/** Without the first canary for so long, the group does not arrive. */
const ARRIVE_MS = 20_000;
/** Without any data for so long, group or unicast, the restore is given up. */
const TIMEOUT_MS = 60_000;

export type HearingParts = {
  readonly receiver: Pick<StreamReceiver, "heardAt" | "datagramsReceived" | "fates">;
  readonly unicast: Pick<UnicastFetcher, "heardAt">;
  readonly reporter: Pick<Reporter, "streamState" | "isServedByUnicast" | "joinedAt" | "lastFault">;
  readonly restore: Pick<RestoreTarget, "busyAt">;
  readonly symbolBytes: number;
  readonly timeoutMs: number | undefined;
  readonly arriveMs: number | undefined;
  readonly now: () => number;
};

/** What a reception hears of its stream, since when it hears nothing, and when that is too long. */
export class Hearing {
  readonly #parts: HearingParts;
  readonly #arriveMs: number;
  /** The restore is given up after so much silence; 0 never. */
  readonly timeoutMs: number;
  /** When the group was asked for. */
  listensSince = Number.POSITIVE_INFINITY;

  constructor(parts: HearingParts) {
    this.#parts = parts;
    this.#arriveMs = parts.arriveMs ?? ARRIVE_MS;
    this.timeoutMs = parts.timeoutMs ?? TIMEOUT_MS;
  }

  /**
   * Since the last data, from the group or by unicast. A host whose disk stands still is sent nothing that it has no room
   * for: as long as it is at a write, and from then on for as long as any other, it is not the stream that is waited for.
   */
  get silentMs(): number {
    const { receiver, unicast, restore, now } = this.#parts;
    return now() - Math.max(receiver.heardAt, unicast.heardAt, restore.busyAt);
  }

  /**
   * The first canary or symbol shows that the group comes through. Nothing is sent any more after the pass of a `once`
   * stream: then everything is fetched. One whose frames do not come through here goes by unicast, when the server says so.
   */
  get hasArrived(): boolean {
    const { receiver, reporter } = this.#parts;
    return receiver.datagramsReceived > 0 || reporter.streamState === "ended" || reporter.isServedByUnicast;
  }

  /** The server has ordinary frames sent for it, or says that this host is served by unicast. */
  get lacksFrames(): boolean {
    const { receiver, reporter, symbolBytes, now } = this.#parts;
    if (reporter.streamState === "ended") return false;
    const { heardAt, datagramsReceived } = receiver;
    const silentMs = now() - Math.max(heardAt, this.listensSince, reporter.joinedAt);
    return lackFrames({ isLarge: symbolBytes > SYMBOL_BYTES, hasHeard: datagramsReceived > 0, silentMs });
  }

  /**
   * @param from since when the first packet is waited for
   * @throws {Fault} STREAM_NOT_ARRIVING
   */
  checkArrival(from: number, where: { group: string; port: number; interfaceAddress: string }): void {
    const { receiver, reporter, now } = this.#parts;
    const arriveMs = this.#arriveMs;
    if (now() - from < arriveMs) return;
    throw notArriving({ ...where, arriveMs, fates: receiver.fates, lastFault: reporter.lastFault });
  }

  /** @throws {Fault} STREAM_SILENT */
  checkSilence(): void {
    const { silentMs, timeoutMs } = this;
    if (timeoutMs > 0 && silentMs >= timeoutMs) throw silent(silentMs, this.#parts.reporter.lastFault);
  }
}
