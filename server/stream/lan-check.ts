import { Fault } from "../../fault.ts";
import { nextFreeGroup } from "../../multicast/group.ts";
import type { LanFinding } from "./lan-finding.ts";
import { type LanInterface, readLanInterface } from "./lan-interface.ts";
import { LanListener } from "./lan-listener.ts";
import {
  findingsOfInterface,
  groupFinding,
  querierFinding,
  refuseTaken,
  refuseWireless,
  type WantedStream,
} from "./lan-rules.ts";

/** A stream that waits for receivers sends four canaries a second, a running one more. */
const LISTEN_MS = 1_000;
/** So many groups are tried before it is given up. */
const MOST_GROUPS = 4;
/** A querier asks within a tenth of a second of a leave; one second more for a slow one. */
const QUERIER_MS = 2_000;
/** Two of a querier's ordinary intervals (RFC 3376, section 8.5). */
const QUERIER_LATE_MS = 260_000;

export type LanWanted = WantedStream & {
  readonly interfaceAddress: string;
  /** What to do when somebody else sends there: refuse, take the next free group, or go on with a warning. */
  readonly whenTaken: "refuse" | "next" | "warn";
  /** Groups of our own streams. */
  readonly own: readonly string[];
  readonly allowWifi: boolean;
  readonly signal?: AbortSignal;
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

export type LanCheck = {
  /** The one that the stream may be sent to. */
  readonly group: string;
  readonly lan: LanInterface;
  readonly findings: readonly LanFinding[];
  /** Whether somebody asks who listens: found while the stream already waits for its receivers. */
  readonly querier: Promise<LanFinding>;
  /** A querier that is heard after that; undefined when none is, or the signal was aborted. */
  readonly lateQuerier: Promise<LanFinding | undefined>;
};

/**
 * Looks at the network before the first byte of a stream: about a second, bounded.
 *
 * @returns undefined on the loopback interface, where there is nobody to protect
 * @throws {Fault} WIFI_REFUSED, GROUP_TAKEN
 */
export async function checkLan(wanted: LanWanted): Promise<LanCheck | undefined> {
  const lan = await readLanInterface(wanted.interfaceAddress);
  if (lan === undefined || lan.isLoopback) return undefined;
  if (!wanted.allowWifi) refuseWireless(lan);
  const { listener, group, by } = await freeGroup(lan, wanted);
  const findings = [
    ...(wanted.allowWifi && lan.wireless.length > 0 ? [wifiFinding(lan)] : []),
    ...findingsOfInterface(lan, { ...wanted, group }),
    groupFinding(group, wanted.group, by),
  ];
  const querier = askForQuerier(listener, wanted.signal);
  const lateQuerier = querier.then(async () => {
    const before = listener.heard.querier;
    if (before === undefined && listener.canHearQuerier) {
      await listener.until("querier", QUERIER_LATE_MS, wanted.signal);
    }
    listener.close();
    return before === undefined && listener.heard.querier !== undefined
      ? querierFinding(listener.heard, QUERIER_LATE_MS)
      : undefined;
  });
  return { group, lan, findings, querier, lateQuerier };
}

/** Listens at one group after the other until nobody is heard. `by`: why the one that was wanted is not free. */
async function freeGroup(
  lan: LanInterface,
  wanted: LanWanted,
): Promise<{ listener: LanListener; group: string; by: string | undefined }> {
  const taken = new Set(wanted.own);
  let by = taken.has(wanted.group) ? `Another stream of this server goes to ${wanted.group}` : undefined;
  let group = by === undefined ? wanted.group : next(wanted, taken, by);
  for (let tries = 1; ; tries += 1) {
    const listener = await listen(lan, group, wanted);
    await listener.until("sender", LISTEN_MS, wanted.signal);
    const { sender } = listener.heard;
    if (sender === undefined) return { listener, group, by };
    by ??= `${sender.address} sends to ${group}${sender.port === 0 ? "" : `:${sender.port}`} already`;
    if (wanted.whenTaken === "warn") return { listener, group, by };
    listener.close();
    taken.add(group);
    if (tries === MOST_GROUPS) refuseTaken(group, by);
    group = next(wanted, taken, by);
  }
}

function next(wanted: LanWanted, taken: ReadonlySet<string>, by: string): string {
  if (wanted.whenTaken === "warn") return wanted.group;
  const free = wanted.whenTaken === "refuse" ? undefined : nextFreeGroup(wanted.group, (group) => taken.has(group));
  return free ?? refuseTaken(wanted.group, by);
}

async function listen(lan: LanInterface, group: string, wanted: LanWanted): Promise<LanListener> {
  const { interfaceAddress, port, withoutKoffi } = wanted;
  try {
    return await LanListener.open({
      interfaceIndex: lan.index,
      interfaceAddress,
      group,
      port,
      ...(withoutKoffi === undefined ? {} : { withoutKoffi }),
    });
  } catch (error) {
    throw new Fault(
      "GROUP_UNHEARD",
      {
        what: `Whether ${group}:${port} is free on ${lan.name} could not be found out.`,
        why: error instanceof Error ? error.message : String(error),
        fix: `Check that ${lan.name} is up and knows multicast ("ip link show ${lan.name}").`,
      },
      error,
    );
  }
}

async function askForQuerier(listener: LanListener, signal: AbortSignal | undefined): Promise<LanFinding> {
  listener.leave();
  if (!listener.canHearQuerier) return querierFinding(undefined, 0);
  await listener.until("querier", QUERIER_MS, signal);
  return querierFinding(listener.heard, QUERIER_MS);
}

function wifiFinding({ name }: LanInterface): LanFinding {
  return {
    probe: "wi-fi",
    status: "warn",
    detail: `${name} is, or leads to, Wi-Fi; the stream was allowed there.`,
    fix: "Connect the server by cable: Wi-Fi sends multicast slowly and without repeating what is lost.",
  };
}
