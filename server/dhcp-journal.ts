import type { Logger } from "pino";
import type { DhcpPacket } from "../bsdp/dhcp-packet.ts";
import { clientMac } from "../bsdp/dhcp-packet.ts";
import { messageTypeName, messageTypeOf } from "../bsdp/dhcp-values.ts";

/** Lines that are remembered as told, at the same time. */
const REMEMBERED_LINES = 10_000;

/** What became of each packet: counted every time, told in the log where it is news. */
export class DhcpJournal {
  readonly counters: { answered: Record<string, number>; dropped: Record<string, number> } = {
    answered: {},
    dropped: {},
  };
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** An answer goes out. */
  said(request: DhcpPacket, answered: string, more: Readonly<Record<string, unknown>>): void {
    this.counters.answered[answered] = (this.counters.answered[answered] ?? 0) + 1;
    this.#log.info(
      { mac: clientMac(request), asked: messageTypeName(messageTypeOf(request)), answered, ...more },
      "answered",
    );
  }

  /** No answer. One line for each machine and reason: a room of machines may ask every few seconds. */
  drop(reason: string, request: DhcpPacket | undefined, isQuiet = false): undefined {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + 1;
    if (request === undefined || isQuiet || !this.isNews(`${clientMac(request)} ${reason}`)) return;
    this.#log.info({ mac: clientMac(request), asked: messageTypeName(messageTypeOf(request)), reason }, "no answer");
  }

  /** True the first time that something is to be told. */
  isNews(line: string): boolean {
    if (this.#told.has(line)) return false;
    if (this.#told.size >= REMEMBERED_LINES) this.#told.clear();
    this.#told.add(line);
    return true;
  }
}
