import { Fault } from "../../fault.ts";

/** What people may write about hosts: names of groups, labels, notes, reasons. */

const MOST_NOTE_LETTERS = 2_000;
const MOST_REASON_LETTERS = 200;
export const MOST_LABELS = 32;

/** @throws {Fault} GROUP_NAME */
export function checkGroupName(name: string): void {
  if (/^[a-z0-9][a-z0-9_-]{0,62}$/i.test(name) && name.toLowerCase() !== "any") return;
  throw new Fault("GROUP_NAME", {
    what: `"${name}" cannot be a group's name.`,
    why: "It has 1 to 63 letters, digits, hyphens and underscores, and is not the word any.",
    fix: 'Choose one like "room-b".',
  });
}

/** A group's name as it is written already: two that differ in capital letters only would be one for people. */
export function asWritten(name: string, hosts: readonly { readonly group: string | null }[]): string {
  const known = hosts.find(({ group }) => group?.toLowerCase() === name.toLowerCase());
  return known?.group ?? name;
}

/** @throws {Fault} LABEL_NAME */
export function checkLabel(label: string): void {
  if (/^[a-z0-9][a-z0-9_.:-]{0,62}$/i.test(label)) return;
  throw new Fault("LABEL_NAME", {
    what: `"${label}" cannot be a label.`,
    why: "It has 1 to 63 letters, digits, hyphens, underscores, dots and colons, and begins with a letter or digit.",
    fix: 'Choose one like "kiosk" or "floor:2".',
  });
}

/** @returns without spaces around; null for an empty one @throws {Fault} NOTE_INVALID */
export function readNote(text: string | null): string | null {
  const note = text?.trim() ?? "";
  if (note === "") return null;
  if (note.length <= MOST_NOTE_LETTERS && !hasControls(note.replaceAll(/[\n\t]/g, ""))) return note;
  throw new Fault("NOTE_INVALID", {
    what: "This note cannot be kept.",
    why: `It has up to ${MOST_NOTE_LETTERS} letters, and line breaks are its only control characters.`,
    fix: "Write less, or write down where more of it stands.",
  });
}

/** @throws {Fault} REASON_INVALID */
export function readReason(text: string): string {
  const reason = text.trim();
  if (reason !== "" && reason.length <= MOST_REASON_LETTERS && !hasControls(reason)) return reason;
  throw new Fault("REASON_INVALID", {
    what: "A host cannot be locked like that.",
    why: `Whoever finds it locked needs a reason: one line of up to ${MOST_REASON_LETTERS} letters.`,
    fix: 'Say it like "exam machine until Friday".',
  });
}

/** What would move the cursor of a terminal, or break a line of a list. */
function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
