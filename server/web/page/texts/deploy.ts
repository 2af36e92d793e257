import type { Text, TextTree } from "./language.ts";

/** Orders: an image onto disks, or a disk into an image. */
export const deployTexts = {
  deployTitle: ["Deploy an image", "Abbild aufspielen"],
  deployTo: (hosts: string): Text => [`to ${hosts}`, `auf ${hosts}`],
  chooseImage: ["Which image?", "Welches Abbild?"],
  chooseHosts: ["Which hosts?", "Welche Rechner?"],
  version: ["Version", "Version"],
  noImages: ["There is no image yet", "Noch gibt es kein Abbild"],
  noImagesHow: [
    "Make one from a machine's disk with “Capture”, or from a file, on the server:",
    "Ziehen Sie eines von der Platte eines Rechners, oder machen Sie auf dem Server eines aus einer Datei:",
  ],
  moreOptions: ["More options", "Mehr Möglichkeiten"],
  eraseHow: ["Erase", "Löschen"],
  eraseWords: {
    quick: [
      "quickly: partition tables, and the rest where the disk does it by itself",
      "schnell: Partitionstabellen, und der Rest, wo die Platte es selbst kann",
    ],
    none: ["nothing but what differs from the image", "nur, was vom Abbild abweicht"],
    discard: ["discard the whole disk (TRIM)", "die ganze Platte verwerfen (TRIM)"],
    zeros: ["write zeros where the image writes nothing", "Nullen, wo das Abbild nichts schreibt"],
    secure: ["securely: the disk destroys everything itself", "sicher: die Platte vernichtet selbst alles"],
  },
  verifyHow: ["Check afterwards", "Danach prüfen"],
  verifyWords: {
    whole: ["the whole disk", "die ganze Platte"],
    sampled: ["a sample of it", "eine Stichprobe"],
    none: ["nothing", "nichts"],
  },
  afterHow: ["Then", "Dann"],
  afterWords: {
    reboot: ["restart", "neu starten"],
    "power-off": ["switch off", "ausschalten"],
    kexec: ["start the restored Linux at once", "das aufgespielte Linux gleich starten"],
    wait: ["wait for Enter at the machine", "auf Enter am Rechner warten"],
  },
  showPlan: ["Show the plan", "Plan zeigen"],
  makingPlan: ["Looking what would happen …", "Sieht nach, was geschähe …"],
  willBeErased: (n: number): Text => [
    n === 1 ? "1 host will be ERASED" : `${n} hosts will be ERASED`,
    n === 1 ? "1 Rechner wird GELÖSCHT" : `${n} Rechner werden GELÖSCHT`,
  ],
  willBeOverwritten: (n: number): Text => [
    n === 1 ? "1 host is OVERWRITTEN" : `${n} hosts are OVERWRITTEN`,
    n === 1 ? "1 Rechner wird ÜBERSCHRIEBEN" : `${n} Rechner werden ÜBERSCHRIEBEN`,
  ],
  whereDifferent: (image: string, size: string): Text => [
    `wherever a disk differs from ${image} (at most ${size} to send).`,
    `wo eine Platte von ${image} abweicht (höchstens ${size} zu senden).`,
  ],
  andReceive: (image: string, size: string): Text => [
    `and receive ${image} (${size} to send).`,
    `und bekommt ${image} (${size} zu senden).`,
  ],
  andReceiveMany: (image: string, size: string): Text => [
    `and receive ${image} (${size} to send).`,
    `und bekommen ${image} (${size} zu senden).`,
  ],
  holds: (what: string): Text => [`holds ${what}`, `enthält ${what}`],
  noDisk: ["no disk known", "keine Platte bekannt"],
  skipped: ["Skipped", "Ausgelassen"],
  startsWhen: (n: number, time: string): Text => [
    `The stream starts when ${n === 1 ? "1 host is" : `${n} hosts are`} ready, or ${time} after the first.`,
    `Der Strom beginnt, wenn ${n === 1 ? "1 Rechner bereit ist" : `${n} Rechner bereit sind`}, oder ${time} nach dem ersten.`,
  ],
  typeToErase: (word: string): Text => [`Type ${word} to erase`, `Zum Löschen ${word} eingeben`],
  eraseNow: ["Erase and deploy", "Löschen und aufspielen"],

  // Plan
  estimate: (time: string, isGuess: boolean): Text => [
    isGuess ? `About ${time}, by its size.` : `About ${time}, as it took before.`,
    isGuess ? `Etwa ${time}, nach der Größe.` : `Etwa ${time}, wie zuvor.`,
  ],
  waveOff: ["All at once", "Alle zugleich"],
  waveOf: (n: number): Text => [`One first, then ${n} at a time`, `Erst einer, dann je ${n}`],
  waveHead: ["Order", "Reihenfolge"],
  wavePlan: (canary: string, batches: number, most: number): Text => [
    `First ${canary}; when it is up again, ${batches === 1 ? "the rest" : `the rest in ${batches} batches`}. It stops when more than ${most} fail.`,
    `Erst ${canary}; wenn er wieder da ist, ${batches === 1 ? "der Rest" : `der Rest in ${batches} Gruppen`}. Es hält an, wenn mehr als ${most} scheitern.`,
  ],
  beginAt: ["Begin at (empty: now)", "Beginn (leer: jetzt)"],
  beginsAt: (time: string): Text => [`Begins ${time}`, `Beginnt ${time}`],
  halted: ["It has stopped", "Es hält"],
  goOn: ["Go on", "Weiter"],
  wave: (n: number): Text => [n === 0 ? "first" : `batch ${n}`, n === 0 ? "zuerst" : `Gruppe ${n}`],
  nobodyLeft: ["Nobody is left to be erased.", "Niemand bleibt, der gelöscht würde."],

  // Capture
  captureTitle: ["Capture a disk", "Abbild einer Platte ziehen"],
  captureWhat: [
    "The disk of this machine becomes the next version of an image. It is only read.",
    "Die Platte dieses Rechners wird die nächste Version eines Abbilds. Sie wird nur gelesen.",
  ],
  captureName: ["Name of the image", "Name des Abbilds"],
  captureNotes: ["Notes", "Notizen"],
  captureOrder: ["Capture", "Abbild ziehen"],
  capturePlan: (image: string, version: number): Text => [
    `It becomes ${image}, version ${version}.`,
    `Es wird ${image}, Version ${version}.`,
  ],
  captureSpace: (most: string, free: string): Text => [
    `At most ${most} is stored; ${free} is free.`,
    `Höchstens ${most} werden gesichert; ${free} sind frei.`,
  ],
  captureReadOnly: ["Nothing is written to this disk.", "Auf diese Platte wird nichts geschrieben."],
} as const satisfies TextTree;
