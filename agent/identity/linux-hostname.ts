import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";

/** The host's own name: /etc/hostname, and the line of /etc/hosts that gives it an address (Debian policy: 127.0.1.1). */
export const linuxHostname: IdentityModule = {
  name: "linux-hostname",
  async plan(volume, identity) {
    if (!(await isLinuxRoot(volume))) return undefined;
    const changes: Change[] = [];
    const oldName = await volume.readText("/etc/hostname");
    if (oldName !== `${identity.hostName}\n`) {
      const why = `the host is named ${identity.hostName}`;
      changes.push({ kind: "write", path: "/etc/hostname", content: `${identity.hostName}\n`, why });
    }
    const hosts = (await volume.readText("/etc/hosts")) ?? "127.0.0.1\tlocalhost\n";
    const newHosts = renameInHosts(hosts, firstName(oldName ?? ""), identity.hostName);
    if (newHosts !== hosts) {
      const why = `${identity.hostName} resolves without a name server`;
      changes.push({ kind: "write", path: "/etc/hosts", content: newHosts, why });
    }
    return { changes, notes: [] };
  },
};

/**
 * Gives /etc/hosts exactly one line for the own name, at 127.0.1.1, and leaves all
 * other lines byte for byte as they are. The old name disappears only from that line.
 */
export function renameInHosts(hosts: string, oldName: string, newName: string): string {
  const short = newName.split(".")[0] ?? newName;
  const own = `127.0.1.1\t${newName === short ? short : `${newName} ${short}`}`;
  const lines = hosts.split("\n");
  const at = lines.findIndex((line) => /^127\.0\.1\.1\s/.test(line));
  const kept = lines.filter((line, index) => index === at || !/^127\.0\.1\.1\s/.test(line));
  if (at >= 0) {
    kept[at] = own;
    return kept.join("\n");
  }
  // Without a line of its own the name may stand at 127.0.0.1, as Red Hat writes it.
  const renamed = kept.map((line) => renameAfterLocalhost(line, oldName, short));
  if (renamed.some((line) => /^127\.0\.0\.1\s/.test(line) && line.split(/\s+/).includes(short)))
    return renamed.join("\n");
  const afterLocalhost = kept.findIndex((line) => /^127\.0\.0\.1\s/.test(line));
  kept.splice(afterLocalhost + 1, 0, own);
  return kept.join("\n");
}

function renameAfterLocalhost(line: string, oldName: string, newName: string): string {
  if (oldName === "" || oldName === "localhost" || !/^127\.0\.0\.1\s/.test(line)) return line;
  return line.replaceAll(/\S+/g, (word) => (word === oldName ? newName : word));
}

function firstName(text: string): string {
  const line = text.split("\n").find((candidate) => candidate.trim() !== "" && !candidate.startsWith("#"));
  return line?.trim() ?? "";
}
