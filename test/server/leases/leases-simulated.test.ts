// Two or three servers on one database, on a fake clock from one seed: they stand still, are killed, are cut off from
// the database, and their clocks run unequally fast. No two ever send one stream, and none stays without a sender.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT_EVERY_MS, LEASE_MS } from "../../../server/leases/lease-rules.ts";
import { type KnownServer, Member, type ServerRows } from "../../../server/leases/member.ts";
import { randomOf } from "../../multicast/streams.ts";

const SEEDS = 25;
const RUN_MS = 90_000;
const LOOK_EVERY_MS = 10;
/** What a statement takes at most where nothing is wrong. */
const USUAL_MS = 60;
/** The database does not answer for so long: the statement fails. */
const GIVE_UP_MS = 2_000;
/** From the moment that a stream has no sender, while some server works, until it has one again. */
const ALONE_MS = LEASE_MS + 3 * BEAT_EVERY_MS + 10 * USUAL_MS + 4 * GIVE_UP_MS;
/** Nobody's look at the clock and what it sends then are one: in between a process may stand still. */
const STREAM = "the stream";

type Row = { -readonly [Key in keyof KnownServer]: KnownServer[Key] } & { hasEnded: boolean };

/** Things that happen one after the other, each at its time. */
class Time {
  nowMs = 0;
  readonly #due: { readonly atMs: number; readonly order: number; readonly work: () => void }[] = [];
  #order = 0;

  at(atMs: number, work: () => void): void {
    this.#due.push({ atMs: Math.max(atMs, this.nowMs), order: this.#order++, work });
  }

  /** @param look called whenever something has happened, and often in between */
  async run(untilMs: number, look: () => void): Promise<void> {
    for (;;) {
      let first = 0;
      for (let at = 1; at < this.#due.length; at += 1) {
        const [one, best] = [this.#due[at]!, this.#due[first]!];
        if (one.atMs < best.atMs || (one.atMs === best.atMs && one.order < best.order)) first = at;
      }
      const next = this.#due[first];
      if (next === undefined || next.atMs > untilMs) return;
      for (; this.nowMs < next.atMs; this.nowMs = Math.min(next.atMs, this.nowMs + LOOK_EVERY_MS)) look();
      this.#due.splice(first, 1);
      next.work();
      // What waited for it goes on as far as it can.
      for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
    }
  }
}

class Database {
  readonly rows = new Map<string, Row>();
  /** Whose the stream is; undefined: nobody's yet. */
  owner: string | undefined;
}

/** A server that may stand still, be cut off or be killed. */
class Played {
  readonly name: string;
  readonly member: Member;
  isKilled = false;
  isCutOff = false;
  stillUntilMs = 0;
  /** What it believes to be its own. */
  owns = false;
  isLost = false;
  /** When it was not well the last time. */
  wasIllMs: number;
  readonly #time: Time;
  readonly #random: () => number;
  readonly #rate: number;
  readonly #offsetMs: number;

  constructor(name: string, time: Time, database: Database, random: () => number) {
    this.name = name;
    this.#time = time;
    this.wasIllMs = time.nowMs;
    this.#random = random;
    this.#rate = 0.99 + random() * 0.02;
    this.#offsetMs = random() * 1e6;
    const incarnation = `${name} ${time.nowMs}`;
    const row: Row = {
      ...{ id: name, incarnation, beat: 0, name, version: "1", addresses: [], key: "", startedAtMs: 0, seenAtMs: 0 },
      ...{ isLeading: false, hasEnded: false },
    };
    database.rows.set(name, row);
    const ours = () => database.rows.get(name)?.incarnation === incarnation && !row.hasEnded;
    const rows: ServerRows = {
      beat: () =>
        this.#ask(() => {
          if (ours()) row.beat += 1;
          return ours();
        }),
      list: () =>
        this.#ask(() => [...database.rows.values()].filter(({ hasEnded }) => !hasEnded).map((one) => ({ ...one }))),
      end: (server) =>
        this.#ask(() => {
          const other = database.rows.get(server.id);
          const isSame = other?.incarnation === server.incarnation && other.beat === server.beat;
          if (other === undefined || !isSame || other.hasEnded) return false;
          other.hasEnded = true;
          other.isLeading = false;
          return true;
        }),
      lead: () =>
        this.#ask(() => {
          const leads = [...database.rows.values()].some((one) => one.isLeading && !one.hasEnded);
          if (!leads && ours()) row.isLeading = true;
          return row.isLeading;
        }),
    };
    this.member = new Member({
      id: name,
      rows,
      now: () => time.nowMs * this.#rate + this.#offsetMs,
      events: {
        onLease: () => {},
        onGone: () => {},
        onLead: () => {},
        onLost: () => {
          this.isLost = true;
          this.owns = false;
        },
      },
    });
    this.#again(() => this.member.beat());
    this.#again(() => this.member.look());
    // Takes what is nobody's, as DeployStreams does: in one transaction.
    this.#again(async () => {
      this.owns = await this.#ask(() => {
        const owner = database.owner === undefined ? undefined : database.rows.get(database.owner);
        if (ours() && (owner === undefined || owner.hasEnded)) database.owner = name;
        return ours() && database.owner === name;
      });
    });
  }

  /** Whether a datagram leaves it at this moment. */
  get isSending(): boolean {
    return !this.isKilled && this.#time.nowMs >= this.stillUntilMs && this.owns && this.member.isHeld;
  }

  get isWell(): boolean {
    return !this.isKilled && !this.isLost && !this.isCutOff && this.#time.nowMs >= this.stillUntilMs;
  }

  /** Goes on with it when it does not stand still. */
  #when(atMs: number, work: () => void): void {
    this.#time.at(atMs, () => {
      if (this.isKilled) return;
      if (this.#time.nowMs < this.stillUntilMs) this.#when(this.stillUntilMs, work);
      else work();
    });
  }

  #again(work: () => Promise<unknown>): void {
    const once = () => {
      if (this.isLost) return;
      void work()
        .catch(() => {})
        .then(() => this.#when(this.#time.nowMs + BEAT_EVERY_MS, once));
    };
    this.#when(this.#time.nowMs, once);
  }

  /** A statement on its way there and back. One that is under way arrives also when its sender stands still by then. */
  #ask<T>(statement: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const isSlow = this.#random() < 0.02;
    const way = () => this.#random() * (isSlow ? 3_000 : USUAL_MS / 2);
    const sentMs = this.#time.nowMs;
    this.#when(sentMs + GIVE_UP_MS, () => reject(new Error("no answer")));
    if (this.isCutOff) return promise;
    this.#time.at(sentMs + way(), () => {
      const answer = statement();
      if (!this.isCutOff) this.#when(this.#time.nowMs + way(), () => resolve(answer));
    });
    return promise;
  }
}

test(`${SEEDS} runs of servers that stand still, are cut off and are killed: never two senders, never none for long`, async (t) => {
  let kept = 0;
  let moves = 0;
  let longestMs = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = randomOf(seed);
    const time = new Time();
    const database = new Database();
    const servers = Array.from({ length: 2 + (seed % 2) }, (_, at) => new Played(`s${at}`, time, database, random));
    let made = servers.length;
    let aloneSinceMs = 0;
    let last: string | undefined;
    const look = () => {
      const sending = servers.filter((server) => server.isSending);
      assert(sending.length <= 1, `seed ${seed}, ${time.nowMs} ms: ${sending.map(({ name }) => name)} send one stream`);
      if (sending.length === 1) {
        aloneSinceMs = time.nowMs;
        kept += 1;
        if (last !== undefined && last !== sending[0]!.name) moves += 1;
        last = sending[0]!.name;
      }
      // The same one has to be there for all of the time.
      for (const server of servers) if (!server.isWell) server.wasIllMs = time.nowMs;
      const wellSinceMs = Math.min(...servers.map(({ wasIllMs }) => wasIllMs));
      const aloneMs = time.nowMs - Math.max(aloneSinceMs, wellSinceMs);
      longestMs = Math.max(longestMs, aloneMs);
      assert(aloneMs <= ALONE_MS, `seed ${seed}, ${time.nowMs} ms: nobody sends ${STREAM} for ${aloneMs} ms`);
    };
    const trouble = () => {
      const server = servers[Math.floor(random() * servers.length)]!;
      const forMs = random() * 20_000;
      const others = servers.filter((other) => other !== server && other.isWell);
      const kind = random();
      if (kind < 0.4) server.stillUntilMs = time.nowMs + forMs;
      else if (kind < 0.7) {
        server.isCutOff = true;
        time.at(time.nowMs + forMs, () => {
          server.isCutOff = false;
        });
      } else if (others.length > 0) server.isKilled = true;
      // Who was killed, or lost its work, is started again as another process.
      for (const [at, one] of servers.entries()) {
        if (one.isKilled || one.isLost) servers[at] = new Played(`s${made++}`, time, database, random);
      }
      time.at(time.nowMs + random() * 12_000, trouble);
    };
    time.at(3_000, trouble);
    await time.run(RUN_MS, look);
  }
  t.diagnostic(`${moves} times another one went on, after ${Math.round(longestMs / 100) / 10} s at most`);
  // Otherwise it proves nothing.
  assert(moves >= SEEDS && kept > SEEDS * 1_000, `${moves} moves, ${kept}`);
});
