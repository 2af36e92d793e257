import { hfsPlusVolume } from "./hfsplus.ts";

/** The id in the ByHost names: the Hardware UUID of the Mac that this volume was made on. */
export const masterHardwareUuid = "564D1B5E-0D3A-4C61-9F27-3B8A6E5C1D42";

/**
 * The golden disk's HFS+ volume: the root of a Mac with OS X 10.8 (so the UUID
 * form of ByHost names is the right one), with one user's home. It holds
 * everything that names one Mac, and nothing of Apple's.
 */
export function macVolume(sizeBytes: number): Uint8Array {
  return hfsPlusVolume({
    sizeBytes,
    name: "Macintosh HD",
    dateSeconds: Date.UTC(2012, 6, 25) / 1000,
    volumeId: Buffer.from("60d1de0060d1de00", "hex"),
    blessed: "/System/Library/CoreServices",
    entries: [
      ...["/Applications", "/Library", "/Volumes", "/bin", "/dev", "/sbin", "/usr"].map((path) => ({ path })),
      { path: "/etc", target: "private/etc" },
      { path: "/tmp", target: "private/tmp" },
      { path: "/var", target: "private/var" },
      { path: "/private/etc/hosts", content: "127.0.0.1\tlocalhost\n" },
      { path: "/private/tmp", mode: 0o1777 },
      { path: "/private/var/log/system.log", content: "Jul 25 00:00:00 master kernel[0]: hello\n" },
      { path: "/System/Library/CoreServices/SystemVersion.plist", content: plist(systemVersion) },
      { path: `${configuration}/preferences.plist`, content: plist(names) },
      { path: `${configuration}/NetworkInterfaces.plist`, content: plist(interfaces) },
      { path: "/Users/Shared", mode: 0o1777 },
      { path: home, mode: 0o755, ...owner },
      { path: `${home}/Library`, mode: 0o700, ...owner },
      { path: `${home}/Library/Preferences`, mode: 0o700, ...owner },
      { path: byHost, mode: 0o700, ...owner },
      preference(`com.apple.screensaver.${masterHardwareUuid}.plist`, "<key>idleTime</key><integer>600</integer>"),
      preference(
        `.GlobalPreferences.${masterHardwareUuid}.plist`,
        "<key>com.apple.sound.beep.flash</key><integer>0</integer>",
      ),
      preference(
        `com.apple.menuextra.battery.${masterHardwareUuid}.plist`,
        "<key>ShowPercent</key><string>YES</string>",
      ),
      {
        path: `${byHost}/com.apple.screensaver.${masterHardwareUuid}.plist.lockfile`,
        content: "",
        mode: 0o600,
        ...owner,
      },
      // No machine's id in the name: whoever renames must leave it.
      preference("com.example.plain.plist", "<key>Note</key><string>the same on every Mac</string>"),
    ],
  });
}

const owner = { uid: 501, gid: 20 };
const home = "/Users/dean";
const byHost = `${home}/Library/Preferences/ByHost`;
const configuration = "/Library/Preferences/SystemConfiguration";

const systemVersion = `<key>ProductBuildVersion</key><string>12A269</string>
<key>ProductName</key><string>Mac OS X</string>
<key>ProductVersion</key><string>10.8</string>`;

const names = `<key>System</key><dict>
<key>Network</key><dict><key>HostNames</key><dict><key>LocalHostName</key><string>golden</string></dict></dict>
<key>System</key><dict><key>ComputerName</key><string>Golden</string></dict>
</dict>`;

const interfaces = `<key>Interfaces</key><array><dict>
<key>BSD Name</key><string>en0</string>
<key>IOBuiltin</key><true/>
<key>IOMACAddress</key><data>AB8+q7zN</data>
</dict></array>`;

function preference(name: string, inside: string) {
  return { path: `${byHost}/${name}`, content: plist(inside), mode: 0o600, ...owner };
}

function plist(inside: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
${inside}
</dict>
</plist>
`;
}
