import { randomBytes } from "node:crypto";
import type { Hearing, HearingTest } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { EventLog } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Finding } from "./finding.ts";

/** Two seconds of a stream that nobody notices: 70 kB/s. */
const DATAGRAMS = 100;
const EVERY_MS = 20;
const LISTENS_MS = DATAGRAMS * EVERY_MS + 1_500;
/** A waiting agent holds a question at the server, and is answered at once. */
const READY_WITHIN_MS = 5_000;
/** From when it listens. */
const SAYS_WITHIN_MS = LISTENS_MS + 1_500;
/** A cable that loses this much slows nobody. */
const LITTLE_LOST = 2;

type HearingOptions = {
  readonly events: EventLog;
  /** Where streams are sent to. */
  readonly target: () => { readonly group: string; readonly port: number };
  /** Sends a test's datagrams through one interface; resolves when all are sent. */
  readonly send: (test: HearingTest, interfaceAddress: string, everyMs: number) => Promise<void>;
  readonly readyWithinMs?: number;
  readonly saysWithinMs?: number;
};

type Standing = {
  readonly test: HearingTest;
  isGiven: boolean;
  /** How long it took until the agent listened; undefined: it does not. */
  readyAfterMs: number | undefined;
  readonly askedAtMs: number;
  listens(): void;
  said(word: Hearing): void;
};

/** What a waiting host hears of a group that the server sends to: `bootcast doctor --with HOST`. */
export class HearingTests {
  readonly #options: HearingOptions;
  readonly #standing = new Map<string, Standing>();

  constructor(options: HearingOptions) {
    this.#options = options;
  }

  /**
   * Asks the agent of a host to listen, sends, and says what came.
   *
   * @throws {Fault} HOST_NOT_WAITING, HEARING_RUNS
   */
  async ask(host: Pick<Host, "id" | "name" | "state">): Promise<Finding[]> {
    if (host.state !== "waiting") throw notWaiting(host);
    if (this.#standing.has(host.id)) throw runs(host.name);
    const { events, target, readyWithinMs = READY_WITHIN_MS, saysWithinMs = SAYS_WITHIN_MS } = this.#options;
    const test: HearingTest = {
      mark: randomBytes(16).toString("hex"),
      ...target(),
      datagrams: DATAGRAMS,
      withinMs: LISTENS_MS,
    };
    const { promise, resolve } = Promise.withResolvers<Hearing | undefined>();
    let timer = setTimeout(() => resolve(undefined), readyWithinMs);
    const standing: Standing = {
      test,
      isGiven: false,
      readyAfterMs: undefined,
      askedAtMs: performance.now(),
      listens() {
        clearTimeout(timer);
        timer = setTimeout(() => resolve(undefined), saysWithinMs);
      },
      said: resolve,
    };
    this.#standing.set(host.id, standing);
    try {
      // It wakes the question that the agent holds here.
      await events.change(({ record }) => record({ kind: "host.heard-test", hostId: host.id }));
      return findingsOf(host.name, standing, await promise);
    } finally {
      clearTimeout(timer);
      this.#standing.delete(host.id);
    }
  }

  /** What this host is to listen for now; it is told once. */
  of(hostId: string): HearingTest | undefined {
    const standing = this.#standing.get(hostId);
    if (standing === undefined || standing.isGiven) return undefined;
    standing.isGiven = true;
    return standing.test;
  }

  /** The agent listens, or has listened. Words about another test count for nothing. */
  hear(hostId: string, word: Hearing, interfaceAddress: string): void {
    const standing = this.#standing.get(hostId);
    if (standing === undefined || standing.test.mark !== word.mark) return;
    if (word.heard !== undefined || word.problem !== undefined) {
      standing.said(word);
      return;
    }
    if (standing.readyAfterMs !== undefined) return;
    standing.readyAfterMs = performance.now() - standing.askedAtMs;
    standing.listens();
    this.#options.send(standing.test, interfaceAddress, EVERY_MS).catch((error: Error) => {
      standing.said({ mark: word.mark, problem: `The server could not send: ${error.message}` });
    });
  }
}

function findingsOf(name: string, { test, readyAfterMs }: Standing, word: Hearing | undefined): Finding[] {
  const { group, datagrams } = test;
  const probe = `multicast ${name}`;
  if (readyAfterMs === undefined && word?.problem === undefined) {
    const detail = `${name} did not answer: it waits at another server, is gone, or its boot image is older than this test.`;
    return [{ probe: `agent ${name}`, status: "warn", detail, fix: "Restart the machine, and ask again" }];
  }
  const answers: Finding = {
    probe: `agent ${name}`,
    status: "ok",
    detail: `Its agent answered after ${Math.round(readyAfterMs ?? 0)} ms.`,
  };
  const fix = 'bootcast doctor --interface NAME; see "Switches" and "Firewalls" in the help';
  if (word?.problem !== undefined) {
    return [answers, { probe, status: "fail", detail: `It could not be tried: ${word.problem}`, fix }];
  }
  if (word === undefined) {
    return [answers, { probe, status: "warn", detail: "It listened and said no more.", fix: "Ask again" }];
  }
  const lost = datagrams - (word.heard ?? 0);
  if (lost === datagrams) {
    const detail = `None of ${datagrams} datagrams to ${group} reached it, although HTTP does: a switch without an IGMP querier, a wireless link, or a firewall.`;
    return [answers, { probe, status: "fail", detail, fix }];
  }
  const detail = `${word.heard} of ${datagrams} datagrams to ${group} reached it.`;
  if (lost > LITTLE_LOST) {
    return [answers, { probe, status: "warn", detail, fix: "Look at its cable, its port and its switch" }];
  }
  return [answers, { probe, status: "ok", detail }];
}

function notWaiting({ name, state }: Pick<Host, "name" | "state">): Fault {
  return new Fault("HOST_NOT_WAITING", {
    what: `${name} cannot be asked what it hears.`,
    why: `Only an agent that waits for an order can listen; what it said last is "${state}".`,
    fix: 'Start it from the network with nothing ordered for it. On a running Linux machine: "bootcast doctor --server ADDRESS".',
  });
}

function runs(name: string): Fault {
  return new Fault("HEARING_RUNS", {
    what: `${name} is being asked already.`,
    why: "One test at a time tells what is lost.",
    fix: "Try again in some seconds.",
  });
}
