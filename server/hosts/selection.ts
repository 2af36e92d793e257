import { Fault } from "../../fault.ts";
import { nearest } from "../config/nearest.ts";

/** A host, as far as it is selected by it. */
export type SelectableHost = {
  readonly id: string;
  readonly name: string;
  /** Null: it is in none. */
  readonly group: string | null;
  readonly labels: readonly string[];
};

/** All hosts, and whose an address (lower case, colons) was last. */
export type Known<T extends SelectableHost> = {
  readonly hosts: readonly T[];
  idOfMac(mac: string): string | undefined;
};

const kinds = ["host", "group", "label"] as const;
type Kind = (typeof kinds)[number];

/**
 * The hosts that words name together, each once, in the order of the words.
 *
 * - `lab-07`, an id or a MAC address: that host. `room-b`: the hosts of that group. A word that is both is refused,
 *   because what is selected may be erased.
 * - `host=lab-07`, `group=room-b`, `label=kiosk`: says which is meant.
 * - `group=room-b,label=kiosk`: the hosts for which all of it is true.
 *
 * @throws {Fault} HOST_UNKNOWN, GROUP_UNKNOWN, LABEL_UNKNOWN, SELECTION_INVALID
 */
export function selectHosts<T extends SelectableHost>(words: readonly string[], known: Known<T>): T[] {
  const selected = new Map<string, T>();
  // Each word once: a list of the same word a thousand times costs no more than one.
  for (const word of new Set(words)) for (const host of hostsOf(word.trim(), known)) selected.set(host.id, host);
  return [...selected.values()];
}

function hostsOf<T extends SelectableHost>(word: string, known: Known<T>): readonly T[] {
  if (word.includes("=")) return hostsOfTerms(word, known);
  const host = named(word, known);
  const members = ofGroup(word, known.hosts);
  if (host !== undefined && members.length > 0) {
    throw invalid(
      `"${word}" is the name of a host and of a group.`,
      "What is selected may be erased, so it is not guessed which is meant.",
      `Write host=${word} or group=${word}.`,
    );
  }
  if (host !== undefined) return [host];
  if (members.length > 0) return members;
  throw unknownHost(word, known.hosts);
}

function hostsOfTerms<T extends SelectableHost>(word: string, known: Known<T>): readonly T[] {
  let left: readonly T[] = known.hosts;
  for (const term of word.split(",")) {
    const [, kind = "", value = ""] = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/.exec(term) ?? [];
    if (!isKind(kind) || value === "") {
      throw invalid(
        `"${term}" selects no hosts.`,
        `A selection has ${kinds.map((one) => `${one}=…`).join(", ")}; commas between mean that all of it is true.`,
        "Write it like label=kiosk, or group=room-b,label=kiosk.",
      );
    }
    const matching = new Set(ofKind(kind, value, known));
    left = left.filter((host) => matching.has(host));
  }
  if (left.length > 0) return left;
  throw invalid(
    `"${word}" selects no host.`,
    "Each part is true for some hosts, and no host has all of them.",
    'Write less; "bootcast host list" shows groups and labels.',
  );
}

function ofKind<T extends SelectableHost>(kind: Kind, value: string, known: Known<T>): readonly T[] {
  const { hosts } = known;
  if (kind === "host") {
    const host = named(value, known);
    if (host === undefined) throw unknownHost(value, hosts, "host");
    return [host];
  }
  const found =
    kind === "group"
      ? ofGroup(value, hosts)
      : hosts.filter(({ labels }) => labels.some((label) => isSame(label, value)));
  if (found.length > 0) return found;
  const names = kind === "group" ? groupsOf(hosts) : [...new Set(hosts.flatMap(({ labels }) => labels))];
  const suggestion = nearest(value, names);
  throw new Fault(kind === "group" ? "GROUP_UNKNOWN" : "LABEL_UNKNOWN", {
    what: kind === "group" ? `There is no group "${value}".` : `No host has the label "${value}".`,
    why: names.length === 0 ? `No host has a ${kind} yet.` : `There are: ${names.toSorted().slice(0, 20).join(", ")}.`,
    fix:
      suggestion === undefined
        ? `Give hosts one: bootcast host ${kind} ${value} HOST…`
        : `Maybe "${suggestion}" was meant.`,
  });
}

/** An id first: nobody's name may stand for another host. An address is its last user's, as for the firmware. */
function named<T extends SelectableHost>(word: string, { hosts, idOfMac }: Known<T>): T | undefined {
  const key = word.toLowerCase();
  const byId = hosts.find(({ id }) => id === key) ?? hosts.find(({ name }) => isSame(name, key));
  if (byId !== undefined) return byId;
  const owner = idOfMac(key);
  return owner === undefined ? undefined : hosts.find(({ id }) => id === owner);
}

function ofGroup<T extends SelectableHost>(name: string, hosts: readonly T[]): readonly T[] {
  return hosts.filter(({ group }) => group !== null && isSame(group, name));
}

function groupsOf(hosts: readonly Pick<SelectableHost, "group">[]): string[] {
  return [...new Set(hosts.flatMap(({ group }) => (group === null ? [] : [group])))];
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function isKind(word: string): word is Kind {
  return (kinds as readonly string[]).includes(word);
}

/** @param kind "host": only a host was meant; otherwise it may have been a group */
export function unknownHost(
  word: string,
  hosts: readonly Pick<SelectableHost, "name" | "group">[],
  kind: "host" | "any" = "any",
): Fault {
  const groups = kind === "host" ? [] : groupsOf(hosts);
  const suggestion = nearest(word, [...hosts.map(({ name }) => name), ...groups]);
  const what = groups.length === 0 ? `There is no host "${word}".` : `There is no host and no group "${word}".`;
  return new Fault("HOST_UNKNOWN", {
    what,
    why:
      hosts.length === 0
        ? "No host has appeared yet."
        : `Of ${hosts.length} known ${hosts.length === 1 ? "host" : "hosts"} none has this name, id or address.`,
    fix: `${suggestion === undefined ? "" : `Maybe "${suggestion}" was meant. `}"bootcast host list" shows all.`,
  });
}

function invalid(what: string, why: string, fix: string): Fault {
  return new Fault("SELECTION_INVALID", { what, why, fix });
}
