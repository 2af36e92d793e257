import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { KyselyPlugin } from "kysely";
import { type AgentState, CONTRACT_VERSION } from "../../../agent/contract.ts";
import { openDatabase } from "../../../server/db/database.ts";
import { Core, machine, NETWORK } from "../core.ts";

// A session in waves on a real file, and a server that is killed before any of its statements, again and again. What is
// not committed then is lost, as with SIGKILL; hosts ask and say again what was not answered.

const HOSTS = 4;
const work: readonly AgentState[] = ["preflight", "erasing", "receiving", "verifying", "naming", "finishing"];
/** At least so many a session takes, where nobody disturbs it. */
const STATEMENTS = 800;
/** It fails, and one may. */
const BROKEN = "lab-03";

const directory = mkdtempSync(join(tmpdir(), "bootcast-restart-"));
const template = join(directory, "template.db");
before(async () => (await openDatabase(template)).destroy());
after(() => rmSync(directory, { recursive: true }));

class Killed extends Error {}

/** Lets so many statements through; then the process is gone. */
class Life implements KyselyPlugin {
  #left: number;
  constructor(statements: number) {
    this.#left = statements;
  }
  transformQuery({ node }: Parameters<KyselyPlugin["transformQuery"]>[0]) {
    this.#left -= 1;
    if (this.#left < 0) throw new Killed();
    return node;
  }
  async transformResult({ result }: Parameters<KyselyPlugin["transformResult"]>[0]) {
    return result;
  }
}

/** The same numbers for the same seed (mulberry32). */
function numbersOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Site = { readonly lives: number; readonly kinds: string[]; readonly states: string[]; readonly opened: number };

/** Runs the whole session. @param statementsOfLife how long each server lives; the last one for ever */
async function session(path: string, statementsOfLife: readonly number[]): Promise<Site> {
  copyFileSync(template, path);
  let nowMs = 1_000_000;
  let lives = 0;
  const siteKeys = new Core(await openDatabase(":memory:"));
  const start = async (): Promise<Core> => {
    const plain = await openDatabase(path);
    const statements = statementsOfLife[lives] ?? Number.POSITIVE_INFINITY;
    lives += 1;
    const core = new Core(plain.withPlugin(new Life(statements)), { siteKey: siteKeys.siteKey });
    core.nowMs = nowMs;
    await core.alive.resume();
    await core.streams.resume();
    return core;
  };
  let core: Core | undefined;
  /** Asks until it is answered, by whatever server there is then. */
  const ask = async <T>(work: (core: Core) => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        core ??= await start();
        core.nowMs = nowMs;
        const answer = await work(core);
        await core.conductor.look();
        return answer;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        await core?.db.destroy();
        core = undefined;
      }
    }
  };

  const ids: string[] = [];
  for (let number = 1; number <= HOSTS; number += 1) {
    // A machine whose registration was not answered registers again.
    ids.push((await ask((at) => at.hosts.register(machine(number, { contract: CONTRACT_VERSION })))).hostId);
  }
  const deployId = await ask(async (at) => {
    // A person who got no answer looks first.
    const [before] = await at.sessions.list();
    if (before !== undefined) return before.id;
    const waves = { canary: ["lab-01"], batch: 2, mostFailed: 1 };
    const wanted = { image: "lab-debian", to: ids, waves, startAtMs: 1_010_000 };
    return (await at.deploys.create(wanted)).deployId;
  });

  const hosts = ids.map((id, index) => ({ id, name: `lab-0${index + 1}`, at: 0, token: "", isOver: false }));
  for (let turns = 0; hosts.some(({ isOver }) => !isOver); turns += 1) {
    assert(turns < 60, "the session does not end");
    nowMs += 1_000;
    for (const host of hosts) {
      if (host.isOver) continue;
      const state = work[host.at];
      if (host.at === 0) {
        const order = await ask((at) => at.orders.orderFor(host.id, NETWORK));
        if (order.kind !== "deploy") {
          assert.equal(order.kind, "wait", `${host.name} is sent away: ${order.reason}`);
          continue;
        }
        host.token = order.alive?.token ?? "";
      }
      if (state === undefined) {
        await ask((at) => at.report(host.id, "rebooting", deployId, { callsWhenUp: true }));
        assert.equal(await ask((at) => at.alive.heard(host.id, host.token, host.name)), true);
        host.isOver = true;
      } else if (host.name === BROKEN && state === "verifying") {
        const fault = { code: "DISK_WRITE", what: "It cannot be written.", why: "", fix: "" };
        await ask((at) => at.report(host.id, "failed", deployId, { fault }));
        host.isOver = true;
      } else {
        const { proceed } = await ask((at) => at.report(host.id, state, deployId, { challenge: "c" }));
        assert.equal(proceed, true, `${host.name} ${state}`);
        host.at += 1;
      }
    }
  }
  const shown = await ask((at) => at.sessions.show(deployId));
  const events = await ask((at) => at.events.list({ limit: 10_000 }));
  const opened = core?.opened.length ?? 0;
  await core?.db.destroy();
  const ofAll = events.filter(({ kind, deployId: of }) => of === deployId && kind !== "host.registered");
  return {
    lives,
    // What is told, in its order for each host and for the session.
    kinds: [null, ...ids].flatMap((id, index) =>
      ofAll
        .filter(({ hostId }) => hostId === id)
        .map(({ kind, data }) => `${index} ${kind} ${String(data["state"] ?? data["wave"] ?? "")}`.trim()),
    ),
    states: [shown.state, ...shown.hosts.map(({ name, order, wave }) => `${name} ${order} ${wave}`)],
    opened,
  };
}

let undisturbed: Promise<Site> | undefined;

for (let seed = 1; seed <= 5; seed += 1) {
  test(`a server that is killed four times in a session (seed ${seed}): every host ends, nothing is told twice`, async () => {
    undisturbed ??= session(join(directory, "undisturbed.db"), []);
    const expected = await undisturbed;
    assert.deepEqual(expected.states, ["done", "lab-01 done 0", "lab-02 done 1", "lab-03 failed 1", "lab-04 done 2"]);
    const below = numbersOf(seed);
    const lives = Array.from({ length: 4 }, () => 20 + below(STATEMENTS / 4));
    const killed = await session(join(directory, `${seed}.db`), lives);
    assert.deepEqual(killed.states, expected.states);
    assert.deepEqual(killed.kinds, expected.kinds);
    assert.equal(killed.lives, 5, "it was killed four times");
  });
}
