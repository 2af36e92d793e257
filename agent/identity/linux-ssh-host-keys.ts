import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

const UNIT = "bootcast-ssh-host-keys.service";
const UNIT_PATH = `/etc/systemd/system/${UNIT}`;
const WANTED_DIRECTORY = "/etc/systemd/system/multi-user.target.wants";

const unitText = `[Unit]
Description=Make SSH host keys of this machine's own after re-imaging
Documentation=man:ssh-keygen(1)
After=systemd-random-seed.service
Before=ssh.service sshd.service ssh.socket
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
`;

/** Units and scripts by which distributions make missing host keys themselves. */
const generators = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"].flatMap((directory) =>
  ["sshd-keygen@.service", "sshd-keygen.target", "sshdgenkeys.service", "ssh-keygen.service", UNIT].map(
    (unit) => `${directory}/${unit}`,
  ),
);

/**
 * SSH host keys that all clones would share: deleted, so that the host makes its
 * own. Debian makes them only when the package is installed, and its sshd does
 * not start without any; there a small unit is left that makes them at boot.
 */
export const linuxSshHostKeys: IdentityModule = {
  name: "linux-ssh-host-keys",
  async plan(volume) {
    if (!(await isLinuxRoot(volume))) return undefined;
    const keys = (await volume.list("/etc/ssh")).filter((name) => /^ssh_host_\w+_key(\.pub)?$/.test(name));
    if (keys.length === 0) return { changes: [], notes: [] };
    const changes: Change[] = keys.map((name) => ({
      kind: "delete",
      path: `/etc/ssh/${name}`,
      why: "every host has SSH keys of its own",
    }));
    if (await hasGenerator(volume)) return { changes, notes: [] };
    if ((await volume.exists("/usr/bin/ssh-keygen")) && (await volume.stat(WANTED_DIRECTORY))?.isDirectory() === true) {
      const why = "makes the new SSH host keys at boot";
      changes.push({ kind: "write", path: UNIT_PATH, content: unitText, why });
      const link = `${WANTED_DIRECTORY}/${UNIT}`;
      if ((await volume.lstat(link)) === undefined) changes.push({ kind: "link", path: link, to: UNIT_PATH, why });
      return { changes, notes: [] };
    }
    const note = "Its SSH host keys were removed, and nothing in the image makes new ones: run ssh-keygen -A on it.";
    const content = `bootcast removed the SSH host keys that came with the image.\nMake new ones with: ssh-keygen -A\n`;
    changes.push({ kind: "write", path: "/etc/ssh/README.bootcast", content, why: "nothing here makes new keys" });
    return { changes, notes: [note] };
  },
};

// Cloud-init is no generator: it makes keys once for every instance, and a clone keeps its instance.
async function hasGenerator(volume: VolumeFiles): Promise<boolean> {
  for (const path of generators) if (await volume.exists(path)) return true;
  return false;
}
