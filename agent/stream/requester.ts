import { encodeFeedback } from "../../multicast/feedback.ts";
import { packetFormat } from "../../multicast/packet.ts";
import type { StreamReceiver } from "../../multicast/receiver.ts";
import { signerOf } from "../../multicast/roster.ts";
import type { Joined } from "../contract.ts";
import type { RequestSocket } from "./socket.ts";

/** Asks the sender for repairs, when the receiver says that it is time. */
export class Requester {
  readonly #format: ReturnType<typeof packetFormat>;
  readonly #receiver: StreamReceiver;
  readonly #socket: RequestSocket;
  readonly #joined: () => Joined | undefined;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #isStopped = false;

  /** @param parts.joined who this receiver is, and where it asks: another one after the server was restarted */
  constructor(parts: {
    readonly description: { readonly streamId: string; readonly symbolBytes: number };
    readonly receiver: StreamReceiver;
    readonly socket: RequestSocket;
    readonly joined: () => Joined | undefined;
    readonly now: () => number;
  }) {
    this.#format = packetFormat(parts.description);
    this.#receiver = parts.receiver;
    this.#socket = parts.socket;
    this.#joined = parts.joined;
    this.#now = parts.now;
  }

  /** Call it after every datagram: it costs nothing while nothing is missing. */
  look(): void {
    const dueAt = this.#receiver.feedbackDueAt;
    if (this.#isStopped || dueAt === undefined || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, dueAt - this.#now()));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #ask(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    const joined = this.#joined();
    const feedback = joined === undefined ? undefined : this.#receiver.takeFeedback(this.#now());
    if (joined !== undefined && feedback !== undefined) {
      const bytes = encodeFeedback({ receiver: signerOf(joined.receiverId), ...feedback }, this.#format);
      this.#socket.send(bytes, joined.feedbackPort, joined.feedbackAddress);
    }
    this.look();
  }
}
