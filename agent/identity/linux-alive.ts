import { aliveScript } from "./alive-script.ts";
import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

const SCRIPT = "/etc/bootcast-alive";
const UNIT = "bootcast-alive.service";
const UNIT_PATH = `/etc/systemd/system/${UNIT}`;
const programs = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
/** The first is there where a person ever enabled a service; systemd itself brings the others. */
const wants = ["/etc", "/usr/lib", "/lib"].map((place) => `${place}/systemd/system/multi-user.target.wants`);

/**
 * Not ordered after the network: waiting for it could hold up the start of everything else, and the script tries
 * again by itself. Not "oneshot", for the same reason.
 */
const unit = `[Unit]
Description=Tells the bootcast server that this restored system is up
ConditionPathExists=${SCRIPT}

[Service]
Type=simple
ExecStart=/bin/sh ${SCRIPT}
`;

/** Lets a restored Linux say at its first start that it is up, where that was ordered. For systems with systemd. */
export const linuxAlive: IdentityModule = {
  name: "linux-alive",
  async plan(volume, { alive }) {
    if (alive === undefined || !(await isLinuxRoot(volume))) return undefined;
    const directory = await firstOf(volume, wants);
    if ((await firstOf(volume, programs)) === undefined || directory === undefined) {
      return { changes: [], notes: ["This Linux cannot say that it is up: it has no systemd."] };
    }
    const removed = [SCRIPT, UNIT_PATH, `${directory}/${UNIT}`];
    const script = aliveScript(alive, {
      name: "cat /proc/sys/kernel/hostname",
      remove: `rm -f ${removed.join(" ")}\n  systemctl daemon-reload`,
    });
    const changes: Change[] = [];
    const why = "the system says once that it is up";
    if ((await volume.readText(SCRIPT)) !== script) {
      // Before the unit: a unit without its script would start for nothing.
      changes.push({ kind: "write", path: SCRIPT, content: script, mode: 0o700, why });
    }
    if ((await volume.readText(UNIT_PATH)) !== unit) {
      changes.push({ kind: "write", path: UNIT_PATH, content: unit, why });
    }
    const link = `${directory}/${UNIT}`;
    if ((await volume.lstat(link)) === undefined) changes.push({ kind: "link", path: link, to: UNIT_PATH, why });
    const isEnforcing = /^SELINUX=enforcing\s*$/m.test((await volume.readText("/etc/selinux/config")) ?? "");
    const note = "SELinux is enforcing, and new files have no label: this system may not be let to say that it is up.";
    return { changes, notes: isEnforcing ? [note] : [], callsWhenUp: true };
  },
};

async function firstOf(volume: VolumeFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await volume.exists(path)) return path;
  return undefined;
}
