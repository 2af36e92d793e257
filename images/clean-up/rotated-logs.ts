import type { CleanUpStep } from "./step.ts";

/** Where programs write logs, on Linux and on Mac OS X. */
const logFolder = /^(private\/)?var\/log\/|^(Users\/[^/]+\/)?Library\/Logs\//;
/** logrotate's and newsyslog's names: a number, "old" or a date behind the name, mostly packed. */
const rotated = /(\.\d+|\.old|-\d{8})(\.(gz|bz2|xz|zst))?$|\.(gz|bz2|xz|zst)$/;
/** What journald has closed (systemd-journald.service(8)). */
const closedJournal = /@[0-9a-f-]+\.journal~?$/;

export const rotatedLogs: CleanUpStep = {
  name: "rotated-logs",
  does: "Removes logs that were put aside; those that are still written to stay.",
  on({ path, kind }) {
    if (kind !== "file" || !logFolder.test(path)) return undefined;
    return rotated.test(path) || closedJournal.test(path) ? "remove" : undefined;
  },
};
