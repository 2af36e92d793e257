import { posix } from "node:path";
import type { Change, IdentityModule } from "./change.ts";
import { isTen, macRelease } from "./mac-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

const NETWORK = [
  "/Library/Preferences/SystemConfiguration/NetworkInterfaces.plist",
  // 10.0 to 10.4.
  "/private/var/db/NetworkInterfaces.xml",
];
const BLUETOOTH = "/Library/Preferences/com.apple.Bluetooth.plist";
const LEASES = "/private/var/db/dhcpclient/leases";

/** Which card is en0, the adapter's address, leases: macOS makes them anew. */
export const macNetworkInterfaces: IdentityModule = {
  name: "mac-network-interfaces",
  async plan(volume) {
    if ((await macRelease(volume)) === undefined) return undefined;
    const leases = (await volume.list(LEASES)).map((name) => posix.join(LEASES, name));
    const changes: Change[] = [];
    for (const path of [...NETWORK, BLUETOOTH, ...leases]) {
      if ((await volume.lstat(path))?.isFile() !== true) continue;
      changes.push({ kind: "delete", path, why: "it holds addresses of the old Mac, and is made anew" });
    }
    return { changes, notes: [] };
  },
};

const LOCAL_KDC = "/private/var/db/krb5kdc";
const KDC_FILES = ["/private/etc/krb5.keytab", "/private/var/db/dslocal/nodes/Default/config/KerberosKDC.plist"];

/** The Kerberos of its own that every Mac with 10.5 to 10.9 has (LKDC); the job of its first start makes a new one. */
export const macKerberos: IdentityModule = {
  name: "mac-kerberos",
  async plan(volume) {
    const release = await macRelease(volume);
    if (release === undefined || !isTen(release, 5, 9)) return undefined;
    const why = "two Macs with one local Kerberos trust each other's users";
    const changes: Change[] = [];
    if ((await volume.lstat(LOCAL_KDC))?.isDirectory() === true) {
      changes.push({ kind: "delete-tree", path: LOCAL_KDC, why });
    }
    for (const path of KDC_FILES) {
      if ((await volume.lstat(path))?.isFile() === true) changes.push({ kind: "delete", path, why });
    }
    return { changes, notes: [] };
  },
};

/** Whether a Mac has a local Kerberos that is to be made anew. */
export async function holdsLocalKerberos(volume: VolumeFiles): Promise<boolean> {
  return ((await macKerberos.plan(volume, { hostName: "", mac: "", hardwareUuids: [] }))?.changes.length ?? 0) > 0;
}

/** SSH host keys: macOS makes missing ones when somebody first connects. */
export const macSshHostKeys: IdentityModule = {
  name: "mac-ssh-host-keys",
  async plan(volume) {
    if ((await macRelease(volume)) === undefined) return undefined;
    const changes: Change[] = [];
    // Up to 10.10, and since.
    for (const directory of ["/private/etc", "/private/etc/ssh"]) {
      for (const name of await volume.list(directory)) {
        if (!/^ssh_host_(\w+_)?key(\.pub)?$/.test(name)) continue;
        changes.push({ kind: "delete", path: posix.join(directory, name), why: "every host has SSH keys of its own" });
      }
    }
    return { changes, notes: [] };
  },
};
