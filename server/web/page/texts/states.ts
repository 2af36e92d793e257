import type { TextTree } from "./language.ts";

export const stateTexts = {
  /** One word each: what a host does. */
  states: {
    new: ["new", "neu"],
    idle: ["idle", "frei"],
    booting: ["booting", "startet"],
    finding: ["looking for the server", "sucht den Server"],
    registering: ["registering", "meldet sich an"],
    waiting: ["waiting", "wartet"],
    preflight: ["checking", "prüft"],
    capturing: ["capturing", "wird gelesen"],
    erasing: ["erasing", "löscht"],
    receiving: ["receiving", "empfängt"],
    verifying: ["verifying", "vergleicht"],
    naming: ["naming", "benennt"],
    finishing: ["finishing", "schließt ab"],
    rebooting: ["rebooting", "startet neu"],
    done: ["done", "fertig"],
    failed: ["failed", "gescheitert"],
    locked: ["locked", "gesperrt"],
    offline: ["offline", "aus"],
    pending: ["not begun", "nicht begonnen"],
  },
} as const satisfies TextTree;
