import type { ServersNow } from "../leases/servers-now.ts";
import type { Finding } from "./finding.ts";

/** What servers write down is ordered by their own clocks. */
const MOST_APART_MS = 2_000;

/** The servers of one database: who is there, who is missed, and whether they fit together. */
export function serverFindings(now: ServersNow | undefined): Finding[] {
  if (now === undefined) return [];
  const probe = "servers";
  const { servers, gone, databaseAheadMs } = now;
  const findings: Finding[] = [];
  const self = servers.find(({ isSelf }) => isSelf);
  for (const { name, version } of servers) {
    if (self === undefined || version === self.version) continue;
    const detail = `The server ${name} has bootcast ${version}, this one ${self.version}.`;
    findings.push({ probe, status: "warn", detail, fix: "Install the same version on all servers of a database." });
  }
  if (Math.abs(databaseAheadMs) > MOST_APART_MS) {
    const detail = `This machine's clock and that of the database are ${Math.round(Math.abs(databaseAheadMs) / 1000)} s apart.`;
    findings.push({ probe, status: "warn", detail, fix: "sudo timedatectl set-ntp true, on both machines" });
  }
  if (gone.length > 0) {
    const detail = `Went away without a word, and did not come back: ${gone.join(", ")}. Its work is done here.`;
    findings.push({ probe, status: "warn", detail, fix: "systemctl status bootcast, on that machine" });
  }
  if (findings.length > 0) return findings;
  const names = servers.map(({ name, isLeading }) => `${name}${isLeading ? " (sees to schedules)" : ""}`);
  const detail =
    servers.length < 2
      ? "This one alone works with its database."
      : `${servers.length} work together: ${names.join(", ")}.`;
  return [{ probe, status: "ok", detail }];
}
