import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { User } from "../access/users.ts";
import type { Finding } from "./finding.ts";

/** A link that leads to the server's doors should not lie about for longer. */
const LINK_UNUSED_MS = 24 * 3_600_000;
const OTHERS = 0o077;

/** Who can log in. */
export function peopleFindings(users: readonly User[], nowMs: number): Finding[] {
  const probe = "log in";
  if (!users.some(({ hasPassword, role }) => hasPassword && role === "admin")) {
    return [
      {
        probe,
        status: "warn",
        detail: "Nobody can log in to the pages as an admin yet.",
        fix: "sudo bootcast user link, and open the link that it prints",
      },
    ];
  }
  const waiting = users.filter(({ hasLink, createdAtMs }) => hasLink && nowMs - createdAtMs > LINK_UNUSED_MS);
  if (waiting.length === 0) return [{ probe, status: "ok", detail: "No link for a password lies about." }];
  return waiting.map(({ name, hasPassword }) => ({
    probe: `link of ${name}`,
    status: "warn",
    detail: `The link with which ${name} chooses a password was never used: whoever finds it can log in as ${name}.`,
    fix: hasPassword
      ? `bootcast user link ${name} (the old one is worthless then)`
      : `bootcast user link ${name} (the old one is worthless then), or bootcast user remove ${name}`,
  }));
}

/** Files that nobody but the server's user may read. */
export async function lookAtSecrets(dataDir: string): Promise<Finding[]> {
  const names = ["keys/site.key", "bootcast.db", "control.sock"];
  const open: string[] = [];
  for (const name of names) {
    const path = join(dataDir, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && (found.mode & OTHERS) !== 0) open.push(path);
  }
  if (open.length === 0)
    return [{ probe: "secrets", status: "ok", detail: "Keys and database are the server's alone." }];
  return [
    {
      probe: "secrets",
      status: "fail",
      detail: `Others on this machine may open ${open.join(", ")}.`,
      fix: `sudo chmod go= ${open.join(" ")}`,
    },
  ];
}
