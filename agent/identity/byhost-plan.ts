import { byHostIdOfUuid } from "./hardware-uuid.ts";

/** One file of a ByHost directory. */
export type ByHostFile = { readonly name: string; readonly modifiedAtMs: number };

/** What is known about the machine and about the system in the image. */
export type ByHostFacts = {
  /** ProductVersion of SystemVersion.plist, "10.4.11"; undefined when it cannot be read. */
  readonly osVersion: string | undefined;
  /** Built-in Ethernet, lower case with colons. */
  readonly mac: string;
  /** The machine's Hardware UUID; undefined when its firmware has none. */
  readonly uuid: string | undefined;
  /** How many files of the whole volume carry each id: an id seen once may only look like one. */
  readonly idCounts: ReadonlyMap<string, number>;
  /** The id of the machine that the image was made on, when it was recorded. */
  readonly masterId?: string;
};

/** What would happen in one directory. A file is in one list at most. */
export type ByHostPlan = {
  readonly deletes: readonly string[];
  /** In this order: what stands in the way moves aside before its name is taken. */
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  /** For 10.5, which reads either form: copies made after the renames. */
  readonly copies: readonly { readonly from: string; readonly to: string }[];
  /** Files that two machines left under one domain: the newer one is live; the other is aside, or kept its old id. */
  readonly conflicts: readonly { readonly live: string; readonly aside: string }[];
  /** Left alone, and why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
};

const namePattern = /^(\.?.+)\.([0-9a-f]{12}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\.plist$/;

/** "com.apple.dock.000d93aabbcc.plist" ► domain and id; undefined for every other name. */
export function parseByHostName(name: string): { domain: string; id: string } | undefined {
  const match = namePattern.exec(name);
  return match === null ? undefined : { domain: match[1] ?? "", id: match[2] ?? "" };
}

/** The form in which ids are compared: HFS+ does not distinguish case. */
function same(a: string, b: string | undefined): boolean {
  return a.toLowerCase() === b?.toLowerCase();
}

/** Counts the ids of all by-host files of a volume; keys are in lower case. */
export function countIds(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const id = parseByHostName(name)?.id.toLowerCase();
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/**
 * The id that the restored system will look for, and for 10.5 a second one.
 * Up to 10.4 it is the Ethernet address; from 10.6 the Hardware UUID; 10.5 uses
 * either, by model. Without an osVersion or a UUID nothing can be said for newer ones.
 */
export function idsFor(
  facts: Pick<ByHostFacts, "osVersion" | "mac" | "uuid">,
): { id: string; copyId?: string } | undefined {
  const [major = 0, minor = 0] = (facts.osVersion ?? "").split(".").map(Number);
  const macId = facts.mac.replaceAll(":", "").toLowerCase();
  if (facts.osVersion === undefined || !(major >= 10)) return undefined;
  if (major === 10 && minor <= 4) return { id: macId };
  if (facts.uuid !== undefined) {
    const id = byHostIdOfUuid(facts.uuid);
    return major === 10 && minor === 5 && id !== macId ? { id, copyId: macId } : { id };
  }
  return major === 10 && minor === 5 ? { id: macId } : undefined;
}

/**
 * Plans the renames of one ByHost directory (rules: merged from updatebyhostprefs
 * and DeployStudio's fixByHostPrefs). Contents are never touched, nothing is ever
 * overwritten, and a second run touches nothing that the first one renamed.
 */
export function planByHost(files: readonly ByHostFile[], facts: ByHostFacts): ByHostPlan {
  const plan = {
    deletes: [] as string[],
    renames: [] as { from: string; to: string }[],
    copies: [] as { from: string; to: string }[],
    conflicts: [] as { live: string; aside: string }[],
    skipped: [] as { name: string; why: string }[],
  };
  const taken = new Set(files.map((file) => file.name.toLowerCase()));
  const rename = (from: string, to: string) => {
    plan.renames.push({ from, to });
    taken.delete(from.toLowerCase());
    taken.add(to.toLowerCase());
  };
  const wanted = idsFor(facts);
  const domains = new Map<string, (ByHostFile & { id: string; domain: string })[]>();

  for (const file of files) {
    if (isDeleted(file.name)) {
      plan.deletes.push(file.name);
      taken.delete(file.name.toLowerCase());
      continue;
    }
    const parsed = parseByHostName(file.name);
    if (parsed === undefined) continue;
    const key = parsed.domain.toLowerCase();
    domains.set(key, [...(domains.get(key) ?? []), { ...file, ...parsed }]);
  }

  for (const group of domains.values()) {
    if (wanted === undefined) {
      for (const file of group) plan.skipped.push({ name: file.name, why: "the machine's by-host id is not known" });
      continue;
    }
    const own = group.find((file) => same(file.id, wanted.id));
    const ownCopy = group.find((file) => same(file.id, wanted.copyId));
    const others = group.filter((file) => file !== own && file !== ownCopy);
    const source = masterFile(others, facts);
    for (const file of others) {
      if (file !== source) plan.skipped.push({ name: file.name, why: skipReason(file, facts) });
    }
    let live = own;
    if (source !== undefined && own !== undefined && source.modifiedAtMs <= own.modifiedAtMs) {
      plan.conflicts.push({ live: own.name, aside: source.name });
    } else if (source !== undefined) {
      const name = `${source.domain}.${wanted.id}.plist`;
      if (own !== undefined) {
        const aside = asideName(own.name, taken);
        rename(own.name, aside);
        plan.conflicts.push({ live: name, aside });
      }
      rename(source.name, name);
      live = { ...source, name };
    }
    if (wanted.copyId === undefined) continue;
    // Whichever of the two names is there is copied to the other.
    const from = live ?? ownCopy;
    const to = `${from?.domain}.${live === undefined ? wanted.id : wanted.copyId}.plist`;
    if (from !== undefined && !taken.has(to.toLowerCase())) {
      plan.copies.push({ from: from.name, to });
      taken.add(to.toLowerCase());
    }
  }
  return plan;
}

/** Locks of a process that is gone, and what only the old machine could use (its neighbours, its Bluetooth adapter). */
function isDeleted(name: string): boolean {
  if (name.endsWith(".lockfile")) return true;
  if (name.startsWith("com.apple.NetworkBrowserAgent.")) return true;
  return parseByHostName(name)?.domain === "com.apple.Bluetooth";
}

/** Of the files that earlier machines left in one domain, the master's; without a record of it, the newest. */
function masterFile<F extends ByHostFile & { id: string }>(files: readonly F[], facts: ByHostFacts): F | undefined {
  const certain = files.filter((file) => isCertainlyAnId(file.id, facts));
  const { masterId } = facts;
  const choice = masterId === undefined ? certain : certain.filter((file) => same(file.id, masterId));
  return choice.reduce<F | undefined>(
    (newest, file) => (newest === undefined || file.modifiedAtMs > newest.modifiedAtMs ? file : newest),
    undefined,
  );
}

/**
 * The last word of a domain can look like an id ("com.example.abcdefabcdef"). A
 * UUID cannot be mistaken. Twelve hex digits count when they are the master's,
 * or occur more than once, or are the only id of the volume, and in any case
 * only when they can be the address of a built-in card.
 */
function isCertainlyAnId(id: string, facts: ByHostFacts): boolean {
  if (id.length !== 12) return true;
  if (facts.masterId !== undefined && same(id, facts.masterId)) return true;
  if (!isBuiltInAddress(id)) return false;
  const otherIds = [...facts.idCounts.keys()].filter(
    (other) => !same(other, id) && (other.length > 12 || isBuiltInAddress(other)),
  );
  return (facts.idCounts.get(id.toLowerCase()) ?? 0) >= 2 || otherIds.length === 0;
}

/** Neither a group address nor a locally administered one (IEEE 802: the two lowest bits of the first octet). */
function isBuiltInAddress(id: string): boolean {
  return (Number.parseInt(id.slice(0, 2), 16) & 0x03) === 0 && !/^0+$/.test(id);
}

function skipReason(file: { id: string }, facts: ByHostFacts): string {
  return isCertainlyAnId(file.id, facts)
    ? "an older file of the same domain, left by another machine"
    : `"${file.id}" may be a part of the name and not an id`;
}

function asideName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const aside = number === 1 ? `${name}.bootcast-old` : `${name}.bootcast-old-${number}`;
    if (!taken.has(aside.toLowerCase())) return aside;
  }
}
