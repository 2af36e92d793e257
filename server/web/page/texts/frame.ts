import type { Text, TextTree } from "./language.ts";

/** What is around every page, and words that several pages share. */
export const frameTexts = {
  room: ["Room", "Raum"],
  sessions: ["Sessions", "Sitzungen"],
  images: ["Images", "Abbilder"],
  schedule: ["Schedule", "Zeitplan"],
  repairs: ["Repairs", "Störungen"],
  settings: ["Settings", "Einstellungen"],
  menu: ["Main menu", "Hauptmenü"],
  skip: ["Skip to content", "Zum Inhalt springen"],
  pageUnknown: ["There is no such page.", "Diese Seite gibt es nicht."],
  toRoom: ["Go to the room", "Zum Raum"],
  close: ["Close", "Schließen"],
  cancel: ["Cancel", "Abbrechen"],
  back: ["Back", "Zurück"],
  save: ["Save", "Sichern"],
  remove: ["Remove …", "Entfernen …"],
  removeNow: ["Remove", "Entfernen"],
  removeTitle: (name: string): Text => [`Remove ${name}?`, `${name} entfernen?`],
  loading: ["Loading …", "Wird geladen …"],
  retry: ["Try again", "Noch einmal"],
  whatToDo: ["What to do", "Was hilft"],
  live: ["live", "verbunden"],
  connecting: ["connecting …", "verbindet …"],
  lost: ["Connection lost, retrying", "Verbindung verloren, neuer Versuch läuft"],
  lostSince: (time: string): Text => [
    `What you see is from ${time}. Machines go on working.`,
    `Was Sie sehen, ist von ${time}. Die Rechner arbeiten weiter.`,
  ],

  help: ["Help", "Hilfe"],

  // Login
  logIn: ["Log in", "Anmelden"],
  logOut: ["Log out", "Abmelden"],
  user: ["User", "Benutzer"],
  password: ["Password", "Kennwort"],
  noPassword: ["No password yet?", "Noch kein Kennwort?"],
  noPasswordHow: [
    "On the server, this prints a link with which you choose one:",
    "Auf dem Server ergibt dieser Befehl einen Link, mit dem Sie eines wählen:",
  ],
  tagline: ["One stream. Every machine in the room.", "Ein Strom. Jeder Rechner im Raum."],
} as const satisfies TextTree;
