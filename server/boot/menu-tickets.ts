import { timingSafeEqual } from "node:crypto";
import type { MenuChoice } from "./menu.ts";

/** What a ticket is for: one machine, at one address, and what its screen offered, in the versions that it showed. */
export type TicketHolder = { readonly mac: string; readonly address: string };

type Ticket = { readonly secret: string; readonly choices: readonly MenuChoice[]; readonly untilMs: number };

/** A person reads, thinks and types; after this the screen is asked for anew. */
export const TICKET_FOR_MS = 15 * 60_000;
const MOST_TICKETS = 5000;

/**
 * One ticket for each screen that was given out, good for one try: a link that is used again, comes from another
 * place or is too old orders nothing. In memory: after a restart every screen is asked for anew.
 */
export class MenuTickets {
  readonly #now: () => number;
  readonly #random: () => string;
  /** By machine and address, so that nobody else's question ends the ticket of a person at the screen. */
  readonly #tickets = new Map<string, Ticket>();

  /** @param options.random gives a new unguessable text of letters and digits each time, always as long */
  constructor(options: { now: () => number; random: () => string }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /** A new one for this machine's screen; the one before it is not good any more. */
  give(holder: TicketHolder, choices: readonly MenuChoice[]): string {
    const secret = this.#random();
    this.#tickets.delete(keyOf(holder));
    this.#tickets.set(keyOf(holder), { secret, choices, untilMs: this.#now() + TICKET_FOR_MS });
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size > MOST_TICKETS && oldest !== undefined) this.#tickets.delete(oldest);
    return secret;
  }

  /** Whether it is good; it stays so. */
  isGood(holder: TicketHolder, secret: string): boolean {
    return this.#find(holder, secret) !== undefined;
  }

  /** Uses it up. @returns what its screen showed; undefined when it is not good */
  take(holder: TicketHolder, secret: string): readonly MenuChoice[] | undefined {
    const ticket = this.#find(holder, secret);
    if (ticket !== undefined) this.#tickets.delete(keyOf(holder));
    return ticket?.choices;
  }

  #find(holder: TicketHolder, secret: string): Ticket | undefined {
    const ticket = this.#tickets.get(keyOf(holder));
    if (ticket === undefined || ticket.untilMs < this.#now()) return undefined;
    const given = Buffer.from(secret, "utf8");
    const right = Buffer.from(ticket.secret, "utf8");
    return given.length === right.length && timingSafeEqual(given, right) ? ticket : undefined;
  }
}

function keyOf({ mac, address }: TicketHolder): string {
  return `${mac} ${address}`;
}
