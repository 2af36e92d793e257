import { posix } from "node:path";
import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";

/** Leases, and secrets that addresses are computed from: two hosts with the same ones take each other's address. */
const directories: readonly { readonly path: string; readonly file: RegExp }[] = [
  { path: "/var/lib/dhcp", file: /\.leases?$/ },
  { path: "/var/lib/dhclient", file: /\.leases?$/ },
  { path: "/var/lib/dhcpcd", file: /\.lease6?$|^(duid|secret)$/ },
  { path: "/var/lib/NetworkManager", file: /\.lease$|^(secret_key|seen-bssids|timestamps|NetworkManager\.state)$/ },
];

/** The DUID that DHCPv6 knows a machine by, where it is written down. */
const files = ["/etc/dhcpcd.duid", "/var/lib/dhcpcd/duid", "/var/lib/dhcpv6/dhcp6c_duid"];

/** Where cloud-init keeps that it has already been here, and for whom. */
const CLOUD = "/var/lib/cloud";
const CLOUD_SETTING = "/etc/cloud/cloud.cfg.d/99-bootcast.cfg";
const cloudSetting = "# Written by bootcast: the host's name comes from there.\npreserve_hostname: true\n";

const ISCSI_NAME = "/etc/iscsi/initiatorname.iscsi";

/** What network programs and cloud-init remember of the machine that the image was made on. */
export const linuxLeftovers: IdentityModule = {
  name: "linux-leftovers",
  async plan(volume) {
    if (!(await isLinuxRoot(volume))) return undefined;
    const changes: Change[] = [];
    const notes: string[] = [];
    const paths = [...files];
    for (const { path, file } of directories) {
      for (const name of await volume.list(path)) if (file.test(name)) paths.push(posix.join(path, name));
    }
    for (const path of new Set(paths)) {
      if ((await volume.lstat(path))?.isFile() !== true) continue;
      changes.push({ kind: "delete", path, why: "it is the old machine's, and is made anew" });
    }
    for (const name of ["instance", "instances", "data", "sem"]) {
      const path = posix.join(CLOUD, name);
      const stats = await volume.lstat(path);
      if (stats === undefined) continue;
      const why = "cloud-init takes this host for the old one";
      changes.push(stats.isDirectory() ? { kind: "delete-tree", path, why } : { kind: "delete", path, why });
    }
    const isConfigured = (await volume.stat(posix.dirname(CLOUD_SETTING)))?.isDirectory() === true;
    if (isConfigured && (await volume.readText(CLOUD_SETTING)) !== cloudSetting) {
      const why = "cloud-init would give the host another name";
      changes.push({ kind: "write", path: CLOUD_SETTING, content: cloudSetting, why });
    }
    if (/^InitiatorName=/m.test((await volume.readText(ISCSI_NAME)) ?? "")) {
      notes.push(`${ISCSI_NAME} stays: two hosts with one name cannot use one iSCSI target`);
    }
    return { changes, notes };
  },
};
