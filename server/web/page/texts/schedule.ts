import type { Text, TextTree } from "./language.ts";

/** Schedules. */
export const scheduleTexts = {
  scheduleEmpty: ["Nothing is scheduled", "Nichts ist geplant"],
  scheduleEmptyHow: [
    "Kiosks and labs can be refreshed every night: only what differs is sent and written.",
    "Kioske und Räume können jede Nacht aufgefrischt werden: Nur was abweicht, wird gesendet und geschrieben.",
  ],
  addSchedule: ["Add a schedule …", "Plan hinzufügen …"],
  scheduleName: ["Name of the schedule", "Name des Plans"],
  scheduleTo: ["Hosts, groups or label=…, with spaces between", "Rechner, Gruppen oder label=…, mit Leerzeichen"],
  scheduleDays: ["Days", "Tage"],
  dayWords: {
    daily: ["every day", "jeden Tag"],
    workdays: ["Monday to Friday", "Montag bis Freitag"],
    weekend: ["Saturday and Sunday", "Samstag und Sonntag"],
    own: ["own times (cron)", "eigene Zeiten (cron)"],
  },
  scheduleTime: ["Time", "Uhrzeit"],
  cron: ["Minute, hour, day, month, weekday", "Minute, Stunde, Tag, Monat, Wochentag"],
  scheduleWindow: ["May begin for so many hours", "Darf so viele Stunden lang beginnen"],
  scheduleWake: ["Wake machines that are off", "Ausgeschaltete Rechner wecken"],
  schedulePlan: (time: string): Text => [`Next time: ${time}`, `Nächstes Mal: ${time}`],
  scheduleOrder: ["Schedule it", "Planen"],
  week: ["The next seven days", "Die nächsten sieben Tage"],
  nextRuns: ["Next", "Nächste"],
  lastRuns: ["Last", "Letzte"],
  noRuns: ["has not run yet", "lief noch nicht"],
  paused: ["paused", "pausiert"],
  pause: ["Pause", "Pausieren"],
  resume: ["Resume", "Fortsetzen"],
  removeScheduleWhat: [
    "It does not run any more. What it ordered stays.",
    "Er läuft nicht mehr. Was er bestellt hat, bleibt.",
  ],
} as const satisfies TextTree;
