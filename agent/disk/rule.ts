import { Fault } from "../../fault.ts";
import { transports } from "./disk.ts";

/** What may be erased only when a rule says so. */
export const diskPermissions = [
  "usb",
  "removable",
  "failing",
  "multipath",
  "encrypted",
  "raid",
  "lvm",
  "changed",
] as const;
export type DiskPermission = (typeof diskPermissions)[number];

/** Which disk of a machine an order is for. Every condition must hold; of what is left, `pick` takes one. */
export type DiskRule = {
  /** "only": exactly one disk is left. */
  readonly pick: "only" | "smallest" | "largest";
  /** Patterns with * and ?, any of which fits; case does not count. Absent: any. */
  readonly serial?: readonly string[];
  readonly wwn?: readonly string[];
  /** A place as udev calls it ("pci-0000:00:1f.2-ata-1"), or a device's path. */
  readonly path?: readonly string[];
  readonly model?: readonly string[];
  readonly transport?: readonly string[];
  /** Both ends included. */
  readonly size?: { readonly leastBytes: number; readonly mostBytes: number };
  readonly allow: readonly DiskPermission[];
};

export const DEFAULT_DISK_RULE = "only";
export const onlyDisk: DiskRule = { pick: "only", allow: [] };

/** A rule is kept in tables, sent to every host, and shown on one line. */
const MOST_RULE_CHARACTERS = 500;

const picks = ["only", "smallest", "largest"] as const;
const patterns = ["serial", "wwn", "path", "model"] as const;

/**
 * Reads a rule: words with spaces between them.
 *
 *     only | smallest | largest          one of them; "only" when none is written
 *     serial=S21* wwn=naa.5002* path=pci-0000:00:1f.2-ata-1 model="Samsung SSD*"
 *     transport=nvme|sata                several values with | between them, for every key but size
 *     size=200G..2T, 200G.., ..2T        G is 10^9 bytes as on a disk's label, GiB is 2^30
 *     allow=usb|removable|failing|multipath|encrypted|raid|lvm|changed
 *
 * @throws {Fault} DISK_RULE
 */
export function parseDiskRule(text: string): DiskRule {
  if (text.length > MOST_RULE_CHARACTERS) throw invalid(text, `It has more than ${MOST_RULE_CHARACTERS} characters.`);
  const words = wordsOf(text);
  if (words.length === 0) throw invalid(text, "It is empty.");
  const found = new Map<string, string>();
  let pick: DiskRule["pick"] | undefined;
  for (const word of words) {
    const asPick = picks.find((name) => name === word.toLowerCase());
    if (asPick !== undefined) {
      if (pick !== undefined) throw invalid(text, `It says "${pick}" and "${asPick}", and only one disk is taken.`);
      pick = asPick;
      continue;
    }
    const at = word.indexOf("=");
    const key = word.slice(0, Math.max(0, at)).toLowerCase();
    if (![...patterns, "transport", "size", "allow"].includes(key)) throw invalid(text, `"${word}" is no condition.`);
    if (found.has(key)) throw invalid(text, `It says "${key}" twice; write the values with | between them.`);
    if (word.length === at + 1) throw invalid(text, `"${key}" has no value.`);
    found.set(key, word.slice(at + 1));
  }
  const size = found.get("size");
  return {
    pick: pick ?? "only",
    ...Object.fromEntries(
      patterns.filter((key) => found.has(key)).map((key) => [key, valuesOf(text, key, found.get(key)!)]),
    ),
    ...(found.has("transport")
      ? { transport: knownWords(text, "transport", found.get("transport")!, transports) }
      : {}),
    ...(size === undefined ? {} : { size: sizeRange(text, size) }),
    allow: found.has("allow") ? knownWords(text, "allow", found.get("allow")!, diskPermissions) : [],
  };
}

/** True when `rule` was told in so many words that this may be erased. */
export function allows(rule: DiskRule, permission: DiskPermission): boolean {
  // To ask for USB disks by name is to allow them.
  if (permission === "usb" && rule.transport?.includes("usb") === true) return true;
  return rule.allow.includes(permission);
}

/** Whether a text fits one of some patterns: * stands for any characters, ? for one; case does not count. */
export function fitsPattern(text: string, wanted: readonly string[]): boolean {
  return wanted.some((pattern) => matches(pattern.toLowerCase(), text.toLowerCase()));
}

// Without regular expressions: a pattern from outside must not be able to take for ever.
function matches(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resumed = 0;
  let index = 0;
  while (index < text.length) {
    if (pattern[at] === "*") {
      star = at;
      resumed = index;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[index])) {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      resumed += 1;
      index = resumed;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

/** Splits at spaces, but not between quotes, which may stand anywhere in a word. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') {
      isQuoted = !isQuoted;
      word ??= "";
    } else if (/\p{Cc}/u.test(character)) {
      throw invalid(text, "It has a control character in it.");
    } else if (character === " " && !isQuoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (isQuoted) throw invalid(text, "A quotation mark is not closed.");
  if (word !== undefined) words.push(word);
  return words;
}

function valuesOf(text: string, key: string, value: string): string[] {
  const values = value.split("|").map((one) => one.trim());
  if (values.includes("")) throw invalid(text, `"${key}" has an empty value.`);
  return values;
}

function knownWords<Word extends string>(text: string, key: string, value: string, known: readonly Word[]): Word[] {
  return valuesOf(text, key, value.toLowerCase()).map((one) => {
    const word = known.find((name) => name === one);
    if (word === undefined) throw invalid(text, `"${one}" is none of ${known.join(", ")}.`);
    return word;
  });
}

function sizeRange(text: string, value: string): { leastBytes: number; mostBytes: number } {
  const [from = "", to, ...rest] = value.split("..");
  if (to === undefined || rest.length > 0 || from + to === "") {
    throw invalid(text, `"size=${value}" is no range; disks that are sold as equal differ by a few sectors.`);
  }
  const leastBytes = from === "" ? 0 : sizeOf(text, from);
  const mostBytes = to === "" ? Number.MAX_SAFE_INTEGER : sizeOf(text, to);
  if (leastBytes > mostBytes) throw invalid(text, `"size=${value}" ends below its beginning.`);
  return { leastBytes, mostBytes };
}

const units = ["", "K", "M", "G", "T", "P"];

function sizeOf(text: string, value: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMGTP]?)(I?)B?$/.exec(value.trim().toUpperCase());
  const [, number = "", unit = "", binary = ""] = match ?? [];
  const bytes = Number(number) * (binary === "" ? 1000 : 1024) ** units.indexOf(unit);
  const isSize = match !== null && !(unit === "" && binary !== "") && bytes <= Number.MAX_SAFE_INTEGER;
  if (!isSize) throw invalid(text, `"${value}" is no size.`);
  return Math.round(bytes);
}

function invalid(text: string, why: string): Fault {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new Fault("DISK_RULE", {
    what: `${JSON.stringify(shown)} is no rule for choosing a disk.`,
    why,
    fix: 'Write "only", "smallest" or "largest", and conditions like serial=S21* size=200G..2T transport=nvme|sata model="Samsung*" path=pci-0000:00:1f.2-ata-1 allow=usb.',
  });
}
