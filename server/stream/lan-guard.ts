import type { GuardWord } from "./guard.ts";
import { checkLan, type LanCheck, type LanWanted } from "./lan-check.ts";
import type { LanFinding } from "./lan-finding.ts";
import { LanMember } from "./lan-member.ts";
import { type LanWatch, type WatchedStream, watchLan } from "./lan-watch.ts";

export type LanGuardOptions = {
  /** Whether a stream may go through Wi-Fi. */
  readonly allowWifi: boolean;
  /** When somebody else sends to the group of a new stream: "next" takes the next free one. */
  readonly whenTaken: "refuse" | "next";
  /** Name servers to watch; those of the system unless told. */
  readonly nameServers?: readonly string[];
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

/** What the hub says of a stream that it is about to open. */
export type GuardedStream = Omit<LanWanted, "allowWifi" | "whenTaken" | "own" | "signal" | "withoutKoffi"> & {
  /** It goes on after a restart of the server: its receivers listen to this group already. */
  readonly isResumed: boolean;
};

/** A network that was looked at, before the stream is opened. */
export type PreparedLan = {
  /** What the stream is sent to. */
  readonly group: string;
  /**
   * Says what was found and what is found later, and holds the stream while the network suffers, until `close`.
   */
  watch(stream: WatchedStream, onFinding: (finding: LanFinding) => void): { close(): void };
  /** When the stream is not opened after all. */
  close(): void;
};

/** Protects the network that streams are sent into. */
export type LanGuard = {
  /** @throws {Fault} WIFI_REFUSED, GROUP_TAKEN, GROUP_UNHEARD */
  prepare(stream: GuardedStream): Promise<PreparedLan>;
};

export function openLanGuard(options: LanGuardOptions): LanGuard {
  const { allowWifi, whenTaken, withoutKoffi } = options;
  /** Where our streams go, "10.77.0.1 239.192.66.1": the next one there takes another group. */
  const own = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();

  async function prepare({ isResumed, ...stream }: GuardedStream): Promise<PreparedLan> {
    const stopped = new AbortController();
    const network = `${stream.interfaceAddress} `;
    const check = await checkLan({
      ...stream,
      own: [...own].filter((one) => one.startsWith(network)).map((one) => one.slice(network.length)),
      allowWifi,
      whenTaken: isResumed ? "warn" : whenTaken,
      signal: stopped.signal,
      ...(withoutKoffi === undefined ? {} : { withoutKoffi }),
    });
    const close = () => stopped.abort();
    if (check === undefined) return { group: stream.group, watch: () => ({ close }), close };
    const place = network + check.group;
    own.add(place);
    stopped.signal.addEventListener("abort", () => own.delete(place));
    return {
      group: check.group,
      close,
      watch: (watched, onFinding) => ({ close: followLan(check, watched, onFinding, stopped, options) }),
    };
  }

  return {
    // One after the other: two that look at the same time would find the same group free.
    prepare(stream) {
      const prepared = turn.then(() => prepare(stream));
      turn = prepared.catch(() => undefined);
      return prepared;
    },
  };
}

/** @returns ends it */
function followLan(
  check: LanCheck,
  stream: WatchedStream,
  onFinding: (finding: LanFinding) => void,
  stopped: AbortController,
  { nameServers, withoutKoffi }: LanGuardOptions,
): () => void {
  const { lan } = check;
  const tell = (finding: LanFinding | undefined) => {
    if (finding === undefined || stopped.signal.aborted) return;
    onFinding(finding);
  };
  for (const finding of check.findings) tell(finding);
  const member = new LanMember(check.group, lan.address);
  let isMemberWanted = true;
  let isQuerierKnown = false;
  // Not before: what asks for a querier is that nobody of this machine listens any more.
  void check.querier.then((finding) => {
    tell(finding);
    if (isMemberWanted && !stopped.signal.aborted) member.join();
    isQuerierKnown = true;
  });
  void check.lateQuerier.then(tell);
  let watch: LanWatch | undefined;
  const opening = watchLan({
    lan,
    stream,
    onWord: (word) => tell(findingOfWord(word)),
    onLook: (hasMember) => {
      isMemberWanted = !hasMember;
      if (hasMember) member.leave();
      else if (isQuerierKnown) member.join();
    },
    ...(nameServers === undefined ? {} : { nameServers }),
    ...(withoutKoffi === undefined ? {} : { withoutKoffi }),
  });
  void opening.then((opened) => {
    watch = opened;
    if (stopped.signal.aborted) opened.close();
    else tell(findingOfWatch(opened.names, lan.gateways));
  });
  return () => {
    stopped.abort();
    watch?.close();
    member.leave();
  };
}

function findingOfWatch(names: readonly string[], gateways: readonly string[]): LanFinding {
  const unwatched = gateways.filter((address) => !names.some((name) => name.endsWith(` ${address}`)));
  const watched = [...names, "the receivers' reports"].join(", ");
  const detail = `While the stream runs these are watched, and it waits when they suffer: ${watched}.`;
  if (unwatched.length === 0) return { probe: "guard", status: "ok", detail };
  return {
    probe: "guard",
    status: "warn",
    detail: `${detail} The gateway ${unwatched.join(", ")} is not.`,
    fix: "Run it as root, with the optional package koffi installed; of many gateways two are watched.",
  };
}

function findingOfWord(word: GuardWord): LanFinding {
  const held = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  switch (word.type) {
    case "hold":
      return {
        probe: "guard",
        status: "warn",
        detail: `The stream waits: ${word.reason}.`,
        fix: "It goes on by itself when that is well again. If it happens often, take a lower rate.",
      };
    case "release":
      return {
        probe: "guard",
        status: "ok",
        detail: `The stream goes on after ${held(word.heldMs)}: all is well again.`,
      };
    case "give-up":
      return {
        probe: "guard",
        status: "warn",
        detail: `The stream goes on after ${held(word.heldMs)}: without it, it was the same (${word.reason}).`,
        fix: "Look for another cause there.",
      };
  }
}
