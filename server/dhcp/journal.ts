import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac } from "../../bsdp/dhcp-packet.ts";
import { messageTypeName, messageTypeOf } from "../../bsdp/dhcp-values.ts";
import { answeredEntry, learnAddress, silentEntry } from "../boot-trace/dhcp.ts";
import type { DhcpSettings } from "./settings.ts";

/** Lines that are remembered as told, at the same time. */
const REMEMBERED_LINES = 10_000;

/** What became of each packet: counted and traced every time, told in the log where it is news. */
export class DhcpJournal {
  readonly counters: { answered: Record<string, number>; dropped: Record<string, number> } = {
    answered: {},
    dropped: {},
  };
  readonly #settings: Pick<DhcpSettings, "log" | "trace" | "clients">;
  readonly #told = new Set<string>();

  constructor(settings: Pick<DhcpSettings, "log" | "trace" | "clients">) {
    this.#settings = settings;
  }

  /** A packet comes in: what it says about its sender's address is remembered. */
  heard(request: DhcpPacket): void {
    if (this.#settings.clients !== undefined) learnAddress(this.#settings.clients, request);
  }

  /** An answer goes out. */
  said(request: DhcpPacket, answered: string, more: Readonly<Record<string, unknown>>): void {
    this.counters.answered[answered] = (this.counters.answered[answered] ?? 0) + 1;
    const { log, trace, clients } = this.#settings;
    if (typeof more["address"] === "string") clients?.saw(clientMac(request), more["address"]);
    const entry = trace === undefined ? undefined : answeredEntry(request, answered, more);
    if (entry !== undefined) trace?.note(entry);
    log.info(
      { mac: clientMac(request), asked: messageTypeName(messageTypeOf(request)), answered, ...more },
      "answered",
    );
  }

  /** No answer. One line for each machine and reason: a room of machines may ask every few seconds. */
  drop(reason: string, request: DhcpPacket | undefined, isQuiet = false): undefined {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + 1;
    if (request === undefined) return;
    const { log, trace } = this.#settings;
    // An ordinary client's question to another DHCP server: nobody asked us to boot.
    const entry = silentEntry(request, reason);
    if (reason !== "not-a-boot-client") trace?.note(entry);
    if (isQuiet || !this.isNews(`${clientMac(request)} ${reason}`)) return;
    log.info({ mac: entry.mac, asked: entry.asked, reason, why: entry.reason }, "no answer");
  }

  /** True the first time that something is to be told. */
  isNews(line: string): boolean {
    if (this.#told.has(line)) return false;
    if (this.#told.size >= REMEMBERED_LINES) this.#told.clear();
    this.#told.add(line);
    return true;
  }
}
