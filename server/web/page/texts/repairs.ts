import type { Text, TextTree } from "./language.ts";

/** What should be mended. */
export const repairsTexts = {
  allWell: ["Nothing to repair", "Nichts zu reparieren"],
  allWellHow: ["Problems appear here with what mends them.", "Störungen erscheinen hier, samt dem, was hilft."],
  checked: (time: string): Text => [`checked ${time}`, `geprüft ${time}`],

  areas: {
    network: ["Network", "Netz"],
    speed: ["Speed", "Tempo"],
    store: ["Images and data", "Abbilder und Daten"],
    agent: ["Boot image", "Startsystem"],
    security: ["Security", "Sicherheit"],
  },
  findingWords: {
    ok: ["in order", "in Ordnung"],
    warn: ["should be mended", "sollte behoben werden"],
    fail: ["must be mended", "muss behoben werden"],
    skip: ["not looked at", "nicht geprüft"],
  },
  lookAgain: ["Look again", "Neu prüfen"],
  looking: ["Looking …", "Prüft …"],
  inOrder: (n: number): Text => [`${n} in order`, `${n} in Ordnung`],
} as const satisfies TextTree;
