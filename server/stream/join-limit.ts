import { Fault } from "../../fault.ts";
import type { Receiver } from "../../multicast/roster.ts";
import { isActive } from "./report-lateness.ts";

/**
 * So many receivers of one stream may be active from one address: the hosts of a classroom behind a NAT, not the made-up
 * ones of a machine that fills the room. A relay is one receiver, however many it serves.
 */
export const MOST_OF_AN_ADDRESS = 64;

/** Who wants to join. */
export type Joining = {
  /** Its plain IP address. */
  readonly address: string;
  readonly hostId: string | undefined;
  /** It showed the token of that host. */
  readonly isProven: boolean;
};

/** From where the receivers of one stream joined, and whether one more may. */
export class JoinLimit {
  readonly #addressOf = new Map<string, string>();

  /**
   * @param receivers all of the stream, as they are now
   * @returns the joining host's former selves, which are to leave: nobody else's, so only of its address or with its token
   * @throws {Fault} ADDRESS_FULL
   */
  admit({ address, hostId, isProven }: Joining, receivers: readonly Receiver[]): readonly Receiver[] {
    this.#forgetOthersThan(receivers);
    const active = receivers.filter(isActive);
    const former = active.filter(
      (receiver) =>
        hostId !== undefined &&
        receiver.hostId === hostId &&
        (isProven || this.#addressOf.get(receiver.id) === address),
    );
    const there = active.filter(({ id }) => this.#addressOf.get(id) === address).length;
    const leaving = former.filter(({ id }) => this.#addressOf.get(id) === address).length;
    if (there - leaving >= MOST_OF_AN_ADDRESS) throw addressFull(address);
    return former;
  }

  /** From where it joined; undefined when that is not known, or no more. */
  addressOf(receiverId: string): string | undefined {
    return this.#addressOf.get(receiverId);
  }

  onJoined(receiverId: string, address: string): void {
    this.#addressOf.set(receiverId, address);
  }

  #forgetOthersThan(receivers: readonly Receiver[]): void {
    if (this.#addressOf.size <= receivers.length) return;
    const known = new Set(receivers.map(({ id }) => id));
    for (const id of this.#addressOf.keys()) if (!known.has(id)) this.#addressOf.delete(id);
  }
}

function addressFull(address: string): Fault {
  return new Fault("ADDRESS_FULL", {
    what: `${MOST_OF_AN_ADDRESS} receivers of this stream have joined from ${address} and have not finished: no more may.`,
    why: "One machine that joins again and again would take the places of all; so each address has only so many.",
    fix: "Look at what runs at that address. If more hosts are behind it (NAT), put a relay there: bootcast stream --relay.",
  });
}
