import { parseDiskRule } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { isHostName } from "./host-identity.ts";
import type { HostRow } from "./host-list.ts";
import type { Host } from "./host-record.ts";
import { asWritten, checkGroupName, checkLabel, MOST_LABELS, readNote, readReason } from "./host-words.ts";
import { lockNow } from "./lock.ts";

/** What a list of hosts would change. */
export type ImportPlan = {
  /** Those that nobody knows yet. */
  readonly adds: readonly HostRow[];
  readonly changes: readonly HostImport[];
  /** How many are in the list as they are. */
  readonly same: number;
  /** Names, or addresses, of those in the list that nobody has approved, and that stay so. */
  readonly unapproved: readonly string[];
};

/** A host of which the list says something else than is known. */
export type HostImport = { readonly host: Host; readonly row: HostRow; readonly what: readonly string[] };

/**
 * Compares a list with the hosts that there are. Each row is about one host; no two have an address or a name in
 * common, counting the hosts that the list does not name. Hosts may exchange their names.
 *
 * @param known.ownerOf the host that last used an address
 * @param terms.approves whether everybody in the list is approved; otherwise only who is new, and not written down as
 *   one that nobody has approved
 * @throws {Fault} HOST_LIST_INVALID with the row's number and what is wrong with it
 */
export function planImport(
  rows: readonly HostRow[],
  known: { readonly hosts: readonly Host[]; ownerOf(mac: string): string | undefined },
  terms: { readonly approves: boolean; readonly nowMs: number },
): ImportPlan {
  const byId = new Map(known.hosts.map((host) => [host.id, host]));
  const rowOf = new Map<string, number>();
  const adds: HostRow[] = [];
  const changes: HostImport[] = [];
  const unapproved: string[] = [];
  let same = 0;
  // Groups of the list count as well: its first spelling is the one.
  const grouped: { readonly group: string | null }[] = [...known.hosts];
  for (const [index, given] of rows.entries()) {
    const row = grouping(checked(given, index + 1), grouped);
    const owner = known.ownerOf(row.mac);
    const host = owner === undefined ? undefined : byId.get(owner);
    const key = host?.id ?? row.mac;
    const before = rowOf.get(key);
    if (before !== undefined) throw invalid(index + 1, `It is about the same host as host ${before}.`);
    rowOf.set(key, index + 1);
    const { name = host?.name ?? row.mac } = row;
    if (!terms.approves && (host?.isApproved ?? row.isApproved) === false) unapproved.push(name);
    if (host === undefined) adds.push(row);
    else {
      const what = differences(host, row, terms);
      if (what.length === 0) same += 1;
      else changes.push({ host, row, what });
    }
  }
  checkNames(rows, { hosts: known.hosts, rowOf });
  return { adds, changes, same, unapproved };
}

function grouping(row: HostRow, grouped: { readonly group: string | null }[]): HostRow {
  if (row.group === undefined || row.group === null) return row;
  const group = asWritten(row.group, grouped);
  if (group === row.group && !grouped.some((each) => each.group === group)) grouped.push({ group });
  return { ...row, group };
}

function checked(row: HostRow, number: number): HostRow {
  try {
    if (row.name !== undefined && !isHostName(row.name))
      throw invalid(number, `"${row.name}" cannot be a host's name.`);
    if (row.group !== undefined && row.group !== null) checkGroupName(row.group);
    for (const label of row.labels ?? []) checkLabel(label);
    if ((row.labels?.length ?? 0) > MOST_LABELS) throw invalid(number, `It has more than ${MOST_LABELS} labels.`);
    if (row.diskRule !== undefined && row.diskRule !== null) parseDiskRule(row.diskRule);
    if (row.lock) readReason(row.lock.reason);
    const labels = row.labels === undefined ? {} : { labels: [...new Set(row.labels)] };
    return { ...row, ...labels, ...(row.note === undefined ? {} : { note: readNote(row.note) }) };
  } catch (error) {
    if (!(error instanceof Fault) || error.code === "HOST_LIST_INVALID") throw error;
    throw invalid(number, `${error.what} ${error.why}`, error);
  }
}

/** What the row says otherwise, by its names. */
function differences(
  host: Host,
  row: HostRow,
  { approves, nowMs }: { readonly approves: boolean; readonly nowMs: number },
): string[] {
  const pairs = [
    ["name", host.name, row.name],
    ["group", host.group, row.group],
    ["labels", host.labels.toSorted().join(" "), row.labels?.toSorted().join(" ")],
    ["note", host.note, row.note],
    ["diskRule", host.diskRule, row.diskRule],
    // What a machine itself has shown is not written over.
    ["serial", host.serial, host.lastSeenMs === 0 ? row.serial : undefined],
  ] as const;
  const what: string[] = pairs.filter(([, is, wanted]) => wanted !== undefined && wanted !== is).map(([what]) => what);
  const lock = lockNow(host.lock, nowMs);
  // One that ends before the list's is none for the time between.
  const isLocked =
    lock !== null && (lock.untilMs ?? Number.POSITIVE_INFINITY) >= (row.lock?.untilMs ?? Number.POSITIVE_INFINITY);
  return [
    ...what,
    ...(approves && !host.isApproved ? ["approved"] : []),
    ...(locksNow(row, nowMs) && !isLocked ? ["lock"] : []),
  ];
}

/** Whether the row locks its host: a lock that is over is none. */
export function locksNow({ lock }: Pick<HostRow, "lock">, nowMs: number): boolean {
  return lock != null && (lock.untilMs === null || lock.untilMs > nowMs);
}

/** All names as they would be afterwards. */
function checkNames(
  rows: readonly HostRow[],
  known: { readonly hosts: readonly Host[]; readonly rowOf: ReadonlyMap<string, number> },
): void {
  const namedBy = new Map<string, string>();
  for (const host of known.hosts) {
    const at = known.rowOf.get(host.id);
    const isKept = at === undefined || rows[at - 1]?.name === undefined;
    if (isKept) namedBy.set(host.name.toLowerCase(), `the host ${host.mac}`);
  }
  for (const [index, { name }] of rows.entries()) {
    if (name === undefined) continue;
    const other = namedBy.get(name.toLowerCase());
    if (other !== undefined) throw invalid(index + 1, `"${name}" is the name of ${other} as well.`);
    namedBy.set(name.toLowerCase(), `host ${index + 1} of the list`);
  }
}

function invalid(number: number, why: string, cause?: unknown): Fault {
  const fix = "Nothing was changed. Correct the list, and import it again.";
  return new Fault("HOST_LIST_INVALID", { what: `Host ${number} of the list is not right.`, why, fix }, cause);
}
