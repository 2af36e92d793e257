import type { SenderSession } from "../../multicast/sender.ts";

/** Why nothing is sent, and how the session is told that it may again. */
type Hold = { readonly reason: string; release: (now: number) => void };

/** Who holds a stream now; they go on holding it when it gets another session. */
export class StreamHolds {
  readonly #holds = new Set<Hold>();

  /** @returns lets go; nothing happens the second time */
  hold(session: SenderSession, reason: string): (now: number) => void {
    const hold: Hold = { reason, release: session.hold(reason) };
    this.#holds.add(hold);
    return (now) => {
      this.#holds.delete(hold);
      hold.release(now);
    };
  }

  /** The stream goes on with this session. */
  moveTo(session: SenderSession): void {
    for (const hold of this.#holds) hold.release = session.hold(hold.reason);
  }
}
