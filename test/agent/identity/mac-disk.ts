import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, buildBinary } from "plist";
import { type MadeEntry, madeVolume } from "../../images/hfs-plus/made-volume.ts";

export const OLD_MAC_ID = "000d93aabbcc";
export const OLD_UUID = "E3D2E3A9-0C8C-5D8A-2E7B-92C263FA9F9C";
export const people = ["anna", "ben", "cleo", "dora"] as const;

const configuration = "/Library/Preferences/SystemConfiguration";

/** The by-host files of one folder, in both naming schemes, with what belongs to nobody and what is in the way. */
function byHostFiles(folder: string, uid: number): MadeEntry[] {
  const file = (name: string, content = name): MadeEntry => ({ path: `${folder}/${name}`, content, uid, mode: 0o600 });
  return [
    { path: folder, uid, mode: 0o700 },
    file(`com.apple.screensaver.${OLD_MAC_ID}.plist`),
    file(`.GlobalPreferences.${OLD_MAC_ID}.plist`),
    file(`com.apple.dock.${OLD_UUID}.plist`),
    file(`com.apple.menuextra.clock.${OLD_UUID}.plist`),
    file(`com.apple.NetworkBrowserAgent.${OLD_MAC_ID}.plist`),
    file(`com.apple.Bluetooth.${OLD_UUID}.plist`),
    file(`com.apple.dock.${OLD_UUID}.plist.lockfile`, ""),
    file("com.example.plain.plist"),
  ];
}

/** Everything that names one Mac, with four users, on a volume as macOS makes them. */
export function macEntries(version: string): MadeEntry[] {
  return [
    ...["bin", "sbin", "usr", "dev", "Volumes"].map((name) => ({ path: `/${name}` })),
    { path: "/etc", target: "private/etc" },
    { path: "/tmp", target: "private/tmp" },
    { path: "/var", target: "private/var" },
    { path: "/mach_kernel", content: "not a kernel" },
    { path: "/Library/LaunchDaemons" },
    {
      path: "/System/Library/CoreServices/SystemVersion.plist",
      content: build({ ProductName: "Mac OS X", ProductVersion: version }),
    },
    {
      path: `${configuration}/preferences.plist`,
      mode: 0o664,
      content: buildBinary({
        Model: "iMac4,1",
        System: {
          Network: { HostNames: { LocalHostName: "master" } },
          System: { ComputerName: "Master", HostName: "master.example" },
        },
      }),
    },
    { path: `${configuration}/NetworkInterfaces.plist`, content: "en0" },
    { path: "/private/etc/hostconfig", content: "HOSTNAME=master\n" },
    { path: "/private/etc/ssh_host_rsa_key", content: "secret", mode: 0o600 },
    { path: "/private/etc/krb5.keytab", content: "secret", mode: 0o600 },
    { path: "/private/var/db/krb5kdc/principal.LKDC:SHA1.0123", content: "secret", mode: 0o600 },
    { path: "/private/var/db/dslocal/nodes/Default/config/KerberosKDC.plist", content: "kdc" },
    { path: "/private/var/db/dhcpclient/leases/en0-1,0:d:93:aa:bb:cc", content: "lease" },
    ...people.flatMap((name, at) => byHostFiles(`/Users/${name}/Library/Preferences/ByHost`, 501 + at)),
    ...byHostFiles("/private/var/root/Library/Preferences/ByHost", 0),
    // Those of loginwindow, before anybody is in.
    ...byHostFiles("/Library/Preferences/ByHost", 0),
    ...byHostFiles("/Users/anna/Library/Containers/com.apple.Notes/Data/Library/Preferences/ByHost", 501),
  ];
}

/** A volume in a file. */
export async function macFile(
  t: { after(end: () => void): void },
  volume: Uint8Array | readonly MadeEntry[],
): Promise<{ path: string; sizeBytes: number }> {
  const bytes = volume instanceof Uint8Array ? volume : await madeVolume(volume, 16 << 20);
  const directory = mkdtempSync(join(tmpdir(), "bootcast-mac-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "volume");
  writeFileSync(path, bytes);
  return { path, sizeBytes: bytes.length };
}
