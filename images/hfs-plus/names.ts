import { foldCase } from "./case-folding.ts";

/** In UTF-16 code units (TN1150, HFSUniStr255). */
export const MOST_NAME_UNITS = 255;

/**
 * Not taken apart: Apple's own exceptions (TN1150; QA1173), and what Unicode
 * added after version 3.2, with which Mac OS X froze the rules of its volumes.
 */
const keptWhole = /([\u1b00-\u1b7f\u2000-\u2fff\uf900-\ufaff]+|[\u{10000}-\u{10ffff}]+)/u;

/** A name as it stands on the volume: decomposed, and ":" for what is "/" there, which Mac OS swaps back. */
export function toVolumeName(name: string): string {
  const decomposed = isPlain(name)
    ? name
    : name
        .split(keptWhole)
        .map((part, index) => (index % 2 === 0 ? part.normalize("NFD") : part))
        .join("");
  return decomposed.replaceAll(":", "/");
}

/** The reverse, for people and for rules about paths. What was composed once stays decomposed. */
export function fromVolumeName(name: string): string {
  return name.replaceAll("/", ":");
}

/** The order of names in a folder: by code units, of folded names on HFS Plus, as they are on a case-sensitive HFSX. */
export function compareNames(a: string, b: string, isCaseSensitive = false): number {
  const [one, other] = isCaseSensitive ? [a, b] : [foldCase(a), foldCase(b)];
  return one < other ? -1 : one > other ? 1 : 0;
}

function isPlain(name: string): boolean {
  for (let index = 0; index < name.length; index += 1) if (name.charCodeAt(index) > 0x7f) return false;
  return true;
}
