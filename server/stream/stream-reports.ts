import { PlausibleLoss } from "../../multicast/plausible-loss.ts";
import type { Receiver, ReceiverReport } from "../../multicast/roster.ts";
import type { SenderSession } from "../../multicast/sender.ts";
import type { JoinLimit } from "./join-limit.ts";
import type { LanFinding } from "./lan-finding.ts";
import { FloodReports } from "./lan-reports.ts";
import { isActive } from "./report-lateness.ts";
import { receiverUnknown } from "./stream-faults.ts";
import type { StreamRate } from "./stream-rate.ts";

/** What receivers report, on its way to the session and to the rate: no more of it than can be true. */
export class StreamReports {
  readonly #rate: StreamRate;
  readonly #joinLimit: JoinLimit;
  readonly #plausible = new PlausibleLoss();
  readonly #flooding = new FloodReports();

  constructor(rate: StreamRate, joinLimit: JoinLimit) {
    this.#rate = rate;
    this.#joinLimit = joinLimit;
  }

  /**
   * @returns the receiver after its word, and what it shows of the network that is new
   * @throws {Fault} RECEIVER_UNKNOWN
   */
  take(
    session: SenderSession,
    receiverId: string,
    said: ReceiverReport,
    now: number,
  ): { readonly receiver: Receiver; readonly finding: LanFinding | undefined } {
    const report = this.#plausible.correct(receiverId, said, session.sentDatagrams);
    session.report(receiverId, report, now);
    const receiver = session.receiver(receiverId);
    if (receiver === undefined) {
      this.#plausible.forget(receiverId);
      throw receiverUnknown();
    }
    // What a host loses that the room does not wait for says nothing about the rate.
    if (receiver.aside === undefined) this.#rate.onReport(this.voiceOf(receiverId), report, now);
    return { receiver, finding: this.#flooding.onReport(receiver.name, report.isFlooded) };
  }

  /** It is in another state, or served in another way. */
  onReceiver(session: SenderSession, receiver: Receiver): void {
    this.#rate.onReceiver(this.voiceOf(receiver.id), receiver, session.receivers.filter(isActive).length);
    if (!isActive(receiver)) this.#plausible.forget(receiver.id);
  }

  /** Receivers of one address have one word together, about the rate and for repairs: a machine that joins many times is one host. */
  voiceOf(receiverId: string): string {
    return this.#joinLimit.addressOf(receiverId) ?? receiverId;
  }
}
