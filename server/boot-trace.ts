import type { BootClients } from "./boot-clients.ts";

/** One packet that concerns booting, or one file: who asked what, and what came of it. */
export type BootTraceEntry = {
  /** Lower case with colons. Where only the address is known, `BootTraceLog` looks it up. */
  readonly mac?: string;
  /** The client's address, when it has one. */
  readonly client?: string;
  readonly service: "dhcp" | "bsdp" | "pxe" | "tftp" | "http";
  /** "DISCOVER", "INFORM[LIST]", "x64/snponly.efi". */
  readonly asked: string;
  /** What we answered; absent when we did not. */
  readonly answered?: string;
  /** Why not, or why this: a sentence without its full stop. */
  readonly reason?: string;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
};

/** Where the boot services tell what they do. It must cost them nothing: `note` neither waits nor throws. */
export type BootTrace = { note(entry: BootTraceEntry): void };

/** An entry with its time and its place among the others. */
export type TracedEntry = BootTraceEntry & {
  /** Ascending, also over restarts of the server. */
  readonly id: number;
  readonly atMs: number;
  /** Identical packets of this machine since the entry before: told once, with their number. */
  readonly times?: number;
};

/** What `GET /api/v1/boot/trace` keeps at hand. */
const MOST_ENTRIES = 2_000;

/** The last entries in memory, and those who follow them. */
export class BootTraceLog implements BootTrace {
  readonly #entries: TracedEntry[] = [];
  readonly #followers = new Set<(entry: TracedEntry) => void>();
  readonly #now: () => number;
  readonly #clients: BootClients;
  #lastId = 0;

  constructor(options: { now: () => number; clients: BootClients }) {
    this.#now = options.now;
    this.#clients = options.clients;
  }

  note(entry: BootTraceEntry): void {
    const atMs = this.#now();
    const mac = entry.mac ?? (entry.client === undefined ? undefined : this.#clients.macOf(entry.client));
    this.#lastId = Math.max(this.#lastId + 1, atMs * 1000);
    const traced: TracedEntry = { ...entry, ...(mac === undefined ? {} : { mac }), id: this.#lastId, atMs };
    this.#entries.push(traced);
    if (this.#entries.length >= 2 * MOST_ENTRIES) this.#entries.splice(0, this.#entries.length - MOST_ENTRIES);
    for (const follower of this.#followers) follower(traced);
  }

  /** The last entries, oldest first. */
  recent(): readonly TracedEntry[] {
    return this.#entries.slice(-MOST_ENTRIES);
  }

  /** Calls `follower` for every entry from now on, until the function it answers is called. */
  subscribe(follower: (entry: TracedEntry) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}
