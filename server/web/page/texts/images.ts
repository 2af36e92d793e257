import { count, type Text, type TextTree } from "./language.ts";

/** Images and their versions. */
export const imageTexts = {
  imagesHow: ["Capture a machine …", "Abbild eines Rechners ziehen …"],
  size: ["Disk", "Platte"],
  stored: ["Stored", "Gesichert"],
  made: ["Made", "Entstanden"],
  versions: (n: number): Text => count(n, ["version", "Version"], ["versions", "Versionen"]),
  usedBy: (n: number): Text => [
    `used in ${n === 1 ? "1 session" : `${n} sessions`}`,
    `in ${n === 1 ? "1 Sitzung" : `${n} Sitzungen`} benutzt`,
  ],
  notUsed: ["not used yet", "noch nicht benutzt"],
  notes: ["Notes", "Notizen"],
  builtBy: ["Made by", "Gemacht von"],
  newBytes: (bytes: string, version: number): Text => [
    `${bytes} more than v${version}`,
    `${bytes} mehr als v${version}`,
  ],
  adds: ["Adds", "Dazu"],
  hash: ["SHA-256", "SHA-256"],
  olderVersions: (n: number): Text => [`Show ${n} older`, `${n} ältere zeigen`],
  latest: ["latest", "neueste"],
  verified: (when: string): Text => [`verified ${when}`, `geprüft ${when}`],
  notVerified: ["not verified since", "seither nicht geprüft"],
  badPacks: (n: number): Text => count(n, ["bad pack", "defektes Paket"], ["bad packs", "defekte Pakete"]),
} as const satisfies TextTree;
