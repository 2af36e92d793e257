import type { Finding } from "./finding.ts";

/** Settings that somebody has changed while the server ran, and that it still has as they were. */
export function waitingFindings(waiting: readonly string[]): Finding[] {
  if (waiting.length === 0) return [];
  return [
    {
      probe: "settings",
      status: "warn",
      detail: `These settings were changed and count after a restart: ${waiting.join(", ")}.`,
      fix: "sudo systemctl restart bootcast   (when no session is active: machines that are at work wait for it)",
    },
  ];
}
