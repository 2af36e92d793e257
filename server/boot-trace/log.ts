import type { BootClients } from "../dhcp/boot-clients.ts";
import type { BootTrace, BootTraceEntry, TracedEntry } from "./boot-trace.ts";
import { BootMachines, type RecentBoots } from "./machines.ts";
import { BootRepeats } from "./repeats.ts";

/** What is kept in memory; the database has more. */
const MOST_ENTRIES = 2_000;
/** What a client may write into an entry. A name in TFTP has up to 500 bytes. */
const LONGEST_TEXT = 300;

/**
 * The last entries in memory, and those who follow them. Identical packets of one machine within a short time become
 * one entry with a number; `tick` must be called about once a second for that.
 */
export class BootTraceLog implements BootTrace {
  readonly #entries: TracedEntry[] = [];
  readonly #followers = new Set<(entry: TracedEntry) => void>();
  readonly #repeats = new BootRepeats();
  readonly #machines = new BootMachines();
  readonly #now: () => number;
  readonly #clients: BootClients;
  #lastId = 0;

  constructor(options: { now: () => number; clients: BootClients }) {
    this.#now = options.now;
    this.#clients = options.clients;
  }

  note(entry: BootTraceEntry): void {
    const atMs = this.#now();
    const known = cut(this.#withMachine(entry));
    const { isNew, overdue } = this.#repeats.note(known, atMs);
    for (const counted of overdue) this.#add(counted.entry, counted.atMs, counted.times);
    if (isNew) this.#add(known, atMs);
  }

  /** Tells what was counted and is over. */
  tick(): void {
    for (const { entry, atMs, times } of this.#repeats.due(this.#now())) this.#add(entry, atMs, times);
  }

  /** Tells everything that was counted; for the end. */
  flush(): void {
    for (const { entry, atMs, times } of this.#repeats.rest()) this.#add(entry, atMs, times);
  }

  /** Entries of an earlier run of the server, oldest first; called before the first `note`. */
  restore(entries: readonly TracedEntry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#machines.restore(entry);
      this.#lastId = Math.max(this.#lastId, entry.id);
    }
  }

  /** The last entries, oldest first. */
  recent(): readonly TracedEntry[] {
    return this.#entries.slice(-MOST_ENTRIES);
  }

  /** Machines that tried to boot lately, and those that were refused. */
  /** When this machine last asked for something to boot. */
  triedMs(mac: string): number | undefined {
    return this.#machines.triedMs(mac);
  }

  machines(): RecentBoots {
    return this.#machines.recent(this.#now());
  }

  /** Calls `follower` for every entry from now on, until the function it answers is called. */
  subscribe(follower: (entry: TracedEntry) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #withMachine(entry: BootTraceEntry): BootTraceEntry {
    if (entry.mac !== undefined) {
      // Whose DHCP packets we never saw is known by what its boot script was asked with.
      if (entry.service === "http" && entry.client !== undefined && this.#clients.macOf(entry.client) === undefined) {
        this.#clients.saw(entry.mac, entry.client);
      }
      const client = entry.client ?? this.#clients.addressOf(entry.mac);
      return client === undefined ? entry : { ...entry, client };
    }
    const mac = entry.client === undefined ? undefined : this.#clients.macOf(entry.client);
    return mac === undefined ? entry : { ...entry, mac };
  }

  #add(entry: BootTraceEntry, atMs: number, times?: number): void {
    // The time in it keeps the numbers ascending when the server starts again.
    this.#lastId = Math.max(this.#lastId + 1, atMs * 1000);
    const id = this.#lastId;
    const boot = this.#machines.place(entry, id, atMs);
    const traced: TracedEntry = {
      id,
      atMs,
      ...entry,
      ...(boot === undefined ? {} : { boot }),
      ...(times === undefined ? {} : { times }),
    };
    this.#entries.push(traced);
    // Twice as many at times, so that not every entry moves all the others.
    if (this.#entries.length >= 2 * MOST_ENTRIES) this.#entries.splice(0, this.#entries.length - MOST_ENTRIES);
    for (const follower of this.#followers) follower(traced);
  }
}

/** Texts come from the network: none is longer than a line, and none drives a terminal. */
function cut(entry: BootTraceEntry): BootTraceEntry {
  const { asked, answered, reason, detail } = entry;
  return {
    ...entry,
    asked: plain(asked),
    ...(answered === undefined ? {} : { answered: plain(answered) }),
    ...(reason === undefined ? {} : { reason: plain(reason) }),
    ...(detail === undefined ? {} : { detail: plainDetail(detail) }),
  };
}

function plainDetail(detail: NonNullable<BootTraceEntry["detail"]>): NonNullable<BootTraceEntry["detail"]> {
  const shown: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(detail)) shown[name] = typeof value === "string" ? plain(value) : value;
  return shown;
}

/** Printable text of at most one long line: what a client sent must not move the cursor of who reads it. */
function plain(text: string): string {
  const shown = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
  return shown.length > LONGEST_TEXT ? `${shown.slice(0, LONGEST_TEXT)}…` : shown;
}
