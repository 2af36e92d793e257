import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";

/** Secrets that a system makes once for itself; two hosts with the same ones are a hole. */
const oncePerMachine = ["/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/var/lib/random-seed"];

/**
 * The number that DHCP, logs and D-Bus know a machine by. /etc/machine-id is
 * emptied, not deleted: machine-id(5) fills an empty one at boot, while a missing
 * one means "first boot" to systemd and would reset its presets.
 */
export const linuxMachineId: IdentityModule = {
  name: "linux-machine-id",
  async plan(volume) {
    if (!(await isLinuxRoot(volume))) return undefined;
    const changes: Change[] = [];
    const machineId = await volume.readText("/etc/machine-id");
    if (machineId !== undefined && machineId !== "") {
      changes.push({ kind: "write", path: "/etc/machine-id", content: "", why: "systemd makes a new one at boot" });
    }
    const dbus = "/var/lib/dbus/machine-id";
    if ((await volume.lstat(dbus))?.isFile() === true) {
      const why = "D-Bus is to follow /etc/machine-id";
      changes.push({ kind: "delete", path: dbus, why });
      if (machineId !== undefined) changes.push({ kind: "link", path: dbus, to: "/etc/machine-id", why });
    }
    for (const path of oncePerMachine) {
      if ((await volume.lstat(path))?.isFile() !== true) continue;
      changes.push({ kind: "delete", path, why: "every host makes its own" });
    }
    return { changes, notes: [] };
  },
};
