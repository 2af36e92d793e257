import type { Text, TextTree } from "./language.ts";

/** One host. */
export const hostTexts = {
  host: ["Host", "Rechner"],
  rename: ["Name and note …", "Name und Notiz …"],
  forget: ["Forget …", "Vergessen …"],
  forgetTitle: (name: string): Text => [`Forget ${name}?`, `${name} vergessen?`],
  forgetWhat: [
    "It loses its name and its history here. When it boots from the network again, it is a new host.",
    "Er verliert hier Namen und Geschichte. Startet er wieder vom Netz, ist er ein neuer Rechner.",
  ],
  forgetNow: ["Forget it", "Vergessen"],
  facts: ["Facts", "Angaben"],
  vendor: ["Maker", "Hersteller"],
  mac: ["MAC address", "MAC-Adresse"],
  memory: ["Memory", "Speicher"],
  firmware: ["Firmware", "Firmware"],
  firstSeen: ["First seen", "Zuerst gesehen"],
  disks: ["Disks", "Platten"],
  diskRule: ["Disk for orders", "Platte für Bestellungen"],
  diskRuleDefault: ["the only one that fits", "die einzige, die passt"],
  bootsNow: ["Would boot now", "Würde jetzt starten"],
  bootWords: {
    agent: ["our boot image", "unser Startsystem"],
    disk: ["its own disk", "die eigene Platte"],
    menu: ["the menu on its screen", "das Menü an seinem Bildschirm"],
    nothing: ["nothing", "nichts"],
  },
  history: ["History", "Verlauf"],
  changes: ["What changed in it", "Was sich an ihm änderte"],
  console: ["Boot log", "Startprotokoll"],
  consoleEmpty: ["It has not asked for a boot file lately.", "Er hat zuletzt keine Startdatei verlangt."],
  agentLog: ["Agent's log", "Protokoll des Agenten"],
  agentLogSent: (when: string): Text => [`Sent ${when}`, `Gesendet ${when}`],
  empty: ["empty", "leer"],
  failing: (why: string): Text => [`fails: ${why}`, `geht kaputt: ${why}`],
  unknown: ["unknown", "unbekannt"],
} as const satisfies TextTree;
