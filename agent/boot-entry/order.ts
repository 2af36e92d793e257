/** One UEFI boot entry as `efibootmgr -v` prints it. */
export type BootEntry = {
  /** Four hex digits, "0003". */
  readonly number: string;
  readonly isActive: boolean;
  readonly label: string;
  /** The device path, with whatever follows it; empty when efibootmgr printed none. */
  readonly path: string;
};

export type BootEntries = { readonly order: readonly string[]; readonly entries: readonly BootEntry[] };

/** Entries of ours begin so; the image's name follows. */
export const LABEL_PREFIX = "bootcast: ";

/** Reads the output of `efibootmgr -v`. Lines of other kinds are left out. */
export function parseBootEntries(text: string): BootEntries {
  const entries: BootEntry[] = [];
  let order: string[] = [];
  for (const line of text.split("\n")) {
    const entry = /^Boot([0-9A-Fa-f]{4})(\*?) (.*)$/.exec(line);
    if (entry !== null) {
      const [, number = "", star, rest = ""] = entry;
      const [label = "", ...path] = rest.trimStart().split("\t");
      entries.push({ number: number.toUpperCase(), isActive: star === "*", label, path: path.join("\t") });
    }
    const list = /^BootOrder:\s*([0-9A-Fa-f]{4}(?:,[0-9A-Fa-f]{4})*)\s*$/.exec(line);
    if (list !== null) order = (list[1] ?? "").toUpperCase().split(",");
  }
  return { order, entries };
}

/** True for an entry that asks the network: by its device path (UEFI 2.10, section 10.3.4), else by its label. */
export function isNetworkEntry(entry: BootEntry): boolean {
  if (/\bMAC\(|\bIPv[46]\(|\bUri\(/i.test(entry.path)) return true;
  return /\b(pxe|network|http boot|ipv[46])\b/i.test(entry.label);
}

/**
 * The boot order with `ours` in its place. A firmware that asked the network
 * first goes on doing so (that is how the server reaches it next time), and ours
 * comes right after; otherwise ours is first.
 *
 * @param before the entries before ours was made, and before any old one of ours was deleted
 */
export function orderWith(before: BootEntries, ours: string, deleted: readonly string[] = []): string[] {
  const rest = before.order.filter((number) => number !== ours && !deleted.includes(number));
  const first = before.entries.find(({ number }) => number === rest[0]);
  const isNetworkFirst = first !== undefined && isNetworkEntry(first);
  return isNetworkFirst ? [rest[0]!, ours, ...rest.slice(1)] : [ours, ...rest];
}

/** The newest entry with `label`: efibootmgr gives the lowest free number, so it is found by what was not there before. */
export function createdEntry(before: BootEntries, after: BootEntries, label: string): BootEntry | undefined {
  const known = new Set(before.entries.map(({ number }) => number));
  return after.entries.find((entry) => entry.label === label && !known.has(entry.number));
}
