import { getServers } from "node:dns";
import { isIPv4 } from "node:net";
import type { Receiver } from "../../multicast/roster.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import { Guard, type GuardTarget, type GuardWord } from "./guard.ts";
import type { LanInterface } from "./lan-interface.ts";
import type { LanProbe } from "./lan-probe.ts";
import { openArpProbe } from "./probe-arp.ts";
import { openDnsProbe } from "./probe-dns.ts";
import { isActive, reportLateness } from "./report-lateness.ts";

const LOOK_EVERY_MS = 250;
/** An answer that is so late did not come; the next is asked for. */
const ANSWER_WITHIN_MS = 1_000;
const REPORTS_LATE_MS = 2_000;
const MOST_OF_A_KIND = 2;

export type LanWatch = {
  /** Who is asked, for people. */
  readonly names: readonly string[];
  /** Lets go of the stream, and asks no more. */
  close(): void;
};

/** The stream that is watched, as far as the watch needs it. */
export type WatchedStream = {
  readonly receivers: readonly Receiver[];
  readonly state: "open" | "streaming" | "ended";
  /** How often each receiver is to report. */
  readonly reportEveryMs: number;
  hold(reason: string): () => void;
};

export type LanWatchOptions = {
  readonly lan: LanInterface;
  readonly stream: WatchedStream;
  readonly onWord: (word: GuardWord) => void;
  /** Whether a receiver listens to the group by now; told with each look. */
  readonly onLook: (hasMember: boolean) => void;
  readonly now?: () => number;
  /** Name servers; those of the system unless told. */
  readonly nameServers?: readonly string[];
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

/**
 * Watches what a stream must not hurt: the routers of its network, the name servers that are reached through it, and
 * its own receivers' reports. Holds the stream while one of them suffers. Asks only while the stream has receivers, four
 * small packets a second each.
 */
export async function watchLan(options: LanWatchOptions): Promise<LanWatch> {
  const { stream, onWord, onLook, now = () => performance.now() } = options;
  const probes = await openProbes(options);
  const guard = new Guard();
  const askedAt = new Map<LanProbe, number>();
  let lookedAt = now();
  let release: (() => void) | undefined;

  function look(): void {
    const at = now();
    const isBusy = at - lookedAt > 2 * LOOK_EVERY_MS;
    lookedAt = at;
    // Whoever was busy itself has not taken yet what came meanwhile, and knows nothing of the network.
    if (isBusy) return;
    onLook(stream.receivers.some((receiver) => isActive(receiver) && receiver.symbolsReceived > 0));
    const isSending = stream.state === "streaming";
    for (const probe of probes) follow(probe, at, isSending);
    guard.onAnswer(reports, reportLateness(stream.receivers, stream.reportEveryMs, at), isSending);
    const word = guard.look(at);
    if (word === undefined) return;
    release?.();
    release = word.type === "hold" ? stream.hold(word.reason) : undefined;
    onWord(word);
  }

  function follow(probe: LanProbe, at: number, isSending: boolean): void {
    const since = askedAt.get(probe);
    if (since !== undefined) {
      const answerMs = probe.answer();
      if (answerMs === undefined && at - since < ANSWER_WITHIN_MS) return;
      guard.onAnswer(probe.target, answerMs, isSending);
      askedAt.delete(probe);
    }
    if (!stream.receivers.some(isActive)) return;
    askedAt.set(probe, at);
    probe.ask();
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    names: probes.map(({ name }) => name),
    close() {
      clearInterval(timer);
      for (const probe of probes) probe.close();
      release?.();
    },
  };
}

const reports: GuardTarget = {
  lateMs: REPORTS_LATE_MS,
  say: (lateMs = 0) => `the receivers' reports come ${(lateMs / 1_000).toFixed(1)} s late`,
};

async function openProbes({ lan, nameServers, withoutKoffi }: LanWatchOptions): Promise<LanProbe[]> {
  const calls = withoutKoffi === true ? undefined : loadSystemCalls();
  const servers = (nameServers ?? getServers()).filter((address) => isIPv4(address) && !address.startsWith("127."));
  const [ofGateways, ofServers] = await Promise.all([
    Promise.all(
      lan.gateways
        .slice(0, MOST_OF_A_KIND)
        .map((address) => (calls === undefined ? undefined : openArpProbe(calls, lan, address))),
    ),
    Promise.all(servers.slice(0, MOST_OF_A_KIND).map((address) => openDnsProbe(lan.address, address))),
  ]);
  return [...ofGateways, ...ofServers].filter((probe) => probe !== undefined);
}
