import { isDeepStrictEqual } from "node:util";
import type { Json, JsonObject } from "./index-file.ts";
import { isObject } from "./index-file.ts";

/** What came of one vector. It passes when nothing differs. */
export class Verdict {
  /** Each a sentence: where, what was wanted, what came. */
  readonly differences: string[] = [];
  /** What the checker knows no way to try. */
  readonly notChecked: string[] = [];

  differs(where: string, wanted: unknown, found: unknown): void {
    this.differences.push(`${where}: wanted ${shown(wanted)}, found ${shown(found)}`);
  }

  /** Compares two values that have the same form. */
  same(where: string, wanted: unknown, found: unknown): void {
    if (!isDeepStrictEqual(wanted, found)) this.differs(where, wanted, found);
  }

  skip(what: string): void {
    this.notChecked.push(what);
  }
}

/**
 * What a decoder found, in the words of the vector files: a value for every
 * key that it knows, undefined for what is not there.
 */
export type Words = Readonly<Record<string, unknown>>;

/** Keys that are remarks for people. */
const remarks = new Set(["note", "comment", "why", "source"]);

/** Holds every key of `expect` against what was found; keys that nobody knows are told. */
export function compareWords(verdict: Verdict, expect: JsonObject, words: Words, where = ""): void {
  for (const [key, wanted] of Object.entries(expect)) {
    if (remarks.has(key)) continue;
    const place = where === "" ? key : `${where}.${key}`;
    if (!(key in words)) verdict.skip(`${place} (no such thing is known)`);
    else compareValue(verdict, hexKeys.has(key) ? inLowerCase(wanted) : wanted, words[key], place);
  }
}

/** Hexadecimal text, which may be written in upper case. */
const hexKeys = new Set([
  "xid",
  "flags",
  "chaddr",
  "id",
  "attributes",
  "attributesFilter",
  "wireHex",
  "bootServersRaw",
]);

function inLowerCase(value: Json): Json {
  if (typeof value === "string") return value.toLowerCase();
  return Array.isArray(value) ? value.map(inLowerCase) : value;
}

/** `[code, hex]`: the second may be in upper case, too. */
function sameSpelling(wanted: Json, found: unknown): Json {
  if (Array.isArray(wanted)) {
    const [code, text] = wanted;
    if (wanted.length === 2 && typeof code === "number" && typeof text === "string") return [code, text.toLowerCase()];
    return wanted.map((one, at) => sameSpelling(one, Array.isArray(found) ? found[at] : undefined));
  }
  // A number may be written as text.
  return typeof wanted === "string" && typeof found === "number" && /^\d+$/.test(wanted) ? Number(wanted) : wanted;
}

function compareValue(verdict: Verdict, wanted: Json, found: unknown, place: string): void {
  // What is told to be nothing must not be there.
  if (wanted === null && found === undefined) return;
  if (found instanceof OneOf) {
    if (!found.values.some((one) => isDeepStrictEqual(one, sameSpelling(wanted, one))))
      verdict.differs(place, wanted, found.values[0]);
  } else if (isObject(wanted) && isWords(found)) {
    compareWords(verdict, wanted, found, place);
  } else if (Array.isArray(wanted) && wanted.every(isObject) && Array.isArray(found) && found.every(isWords)) {
    if (wanted.length !== found.length) verdict.differs(`${place}.length`, wanted.length, found.length);
    for (const [at, one] of wanted.entries()) {
      if (found[at] !== undefined) compareWords(verdict, one, found[at], `${place}[${at}]`);
    }
  } else {
    verdict.same(place, sameSpelling(wanted, found), found);
  }
}

/** A value that has several right spellings, the usual one first. */
export class OneOf {
  readonly values: readonly unknown[];

  constructor(...values: readonly unknown[]) {
    this.values = values;
  }
}

function isWords(value: unknown): value is Words {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof OneOf);
}

const LONGEST_SHOWN = 160;

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A number as the vector files write it: "0x8100". */
export const hexNumber = (number: number, digits: number): string => `0x${number.toString(16).padStart(digits, "0")}`;
