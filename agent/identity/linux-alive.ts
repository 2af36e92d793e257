import { type AliveCall, aliveScript } from "./alive-script.ts";
import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

const SCRIPT = "/etc/bootcast-alive";
const UNIT = "bootcast-alive.service";
const UNIT_PATH = `/etc/systemd/system/${UNIT}`;
const programs = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
/** The first is there where a person ever enabled a service; systemd itself brings the others. */
const wants = ["/etc", "/usr/lib", "/lib"].map((place) => `${place}/systemd/system/multi-user.target.wants`);
const INITTAB = "/etc/inittab";

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

/** How a system starts the script: what its job is, and the shell commands that remove it. */
type Job = { readonly changes: readonly Change[]; readonly remove: string };

/**
 * Lets a restored Linux say at its first start that it is up, where that was ordered. For systems with systemd, and for
 * those whose init reads an inittab: System V's and busybox's.
 */
export const linuxAlive: IdentityModule = {
  name: "linux-alive",
  async plan(volume, { alive }) {
    if (alive === undefined || !(await isLinuxRoot(volume))) return undefined;
    const job = (await systemdJob(volume)) ?? (await inittabJob(volume));
    if (job === undefined) {
      return { changes: [], notes: ["This Linux cannot say that it is up: it has no systemd and no inittab."] };
    }
    // Before the job: one without its script would start for nothing.
    const changes = [...(await scriptChange(volume, alive, job)), ...job.changes];
    const isEnforcing = /^SELINUX=enforcing\s*$/m.test((await volume.readText("/etc/selinux/config")) ?? "");
    const note = "SELinux is enforcing, and new files have no label: this system may not be let to say that it is up.";
    return { changes, notes: isEnforcing ? [note] : [], callsWhenUp: true };
  },
};

const why = "the system says once that it is up";

async function scriptChange(volume: VolumeFiles, alive: AliveCall, { remove }: Job): Promise<Change[]> {
  const content = aliveScript(alive, { name: "cat /proc/sys/kernel/hostname", remove });
  if ((await volume.readText(SCRIPT)) === content) return [];
  return [{ kind: "write", path: SCRIPT, content, mode: 0o700, why }];
}

async function systemdJob(volume: VolumeFiles): Promise<Job | undefined> {
  const directory = await firstOf(volume, wants);
  if ((await firstOf(volume, programs)) === undefined || directory === undefined) return undefined;
  const changes: Change[] = [];
  if ((await volume.readText(UNIT_PATH)) !== unit) changes.push({ kind: "write", path: UNIT_PATH, content: unit, why });
  const link = `${directory}/${UNIT}`;
  if ((await volume.lstat(link)) === undefined) changes.push({ kind: "link", path: link, to: UNIT_PATH, why });
  return { changes, remove: `rm -f ${[SCRIPT, UNIT_PATH, link].join(" ")}\n  systemctl daemon-reload` };
}

/** inittab(5): "id:runlevels:once:command", which nothing waits for. busybox has a terminal for an id, and no runlevels. */
async function inittabJob(volume: VolumeFiles): Promise<Job | undefined> {
  const text = await volume.readText(INITTAB);
  const [, id] = /^([^#:\s]*):[^:\n]*:sysinit:/m.exec(text ?? "") ?? [];
  if (text === undefined || id === undefined) return undefined;
  const line = `${id === "" ? "::" : "boca:2345:"}once:/bin/sh ${SCRIPT}\n`;
  const others = text.replace(/^.*:\/bin\/sh \/etc\/bootcast-alive\n/m, "").replace(/([^\n])$/, "$1\n");
  const content = others + line;
  const changes: Change[] = content === text ? [] : [{ kind: "write", path: INITTAB, content, why }];
  return { changes, remove: `sed -i '/bootcast-alive/d' ${INITTAB}\n  rm -f ${SCRIPT}` };
}

async function firstOf(volume: VolumeFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await volume.exists(path)) return path;
  return undefined;
}
