/** What a job does at a Mac's first start. */
export type FirstBootStep = "names" | "byhost" | "kerberos";

export const FIRST_BOOT_LABEL = "org.bootcast.first-boot";
export const FIRST_BOOT_PATH = `/Library/LaunchDaemons/${FIRST_BOOT_LABEL}.plist`;

/**
 * A launchd job, whole in its one file, that does what Linux cannot do on a Mac's disk, and then removes itself; after
 * three starts without success it removes itself, too. launchd has been there since 10.4.
 */
export function firstBootJob(steps: readonly FirstBootStep[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>${FIRST_BOOT_LABEL}</string>
	<key>RunAtLoad</key>
	<true/>
	<key>ProgramArguments</key>
	<array>
		<string>/bin/sh</string>
		<string>-c</string>
		<string>${escaped(firstBootScript(steps))}</string>
	</array>
</dict>
</plist>
`;
}

/** For a master with APFS, which Linux only reads: it stays in the image, and each clone runs it and removes its own. */
export function apfsFirstBootJob(): string {
  return firstBootJob(["names", "byhost"]);
}

/** For the shell of every Mac OS X from 10.4 on. */
export function firstBootScript(steps: readonly FirstBootStep[]): string {
  return `# Written by bootcast: gives this Mac what belongs to it alone, once.
job=\${BOOTCAST_ROOT-}${FIRST_BOOT_PATH}
tries=\${BOOTCAST_ROOT-}/private/var/db/.bootcast-first-boot
count=\`cat "$tries" 2>/dev/null\`
count=\`expr "\${count:-0}" + 1\`
echo "$count" > "$tries"
failed=0
${steps.map((step) => stepScripts[step]).join("")}if [ $failed -eq 0 ] || [ "$count" -ge 3 ]; then rm -f "$job" "$tries"; fi
exit $failed
`;
}

const stepScripts: Readonly<Record<FirstBootStep, string>> = {
  names: `
# Network cards that the master did not have.
networksetup -detectnewhardware >/dev/null 2>&1
# The name that DHCP gives this Mac (option 12), or the one that its address has.
name=
round=0
while [ -z "$name" ] && [ $round -lt 24 ]; do
  for interface in en0 en1 en2 en3 en4 en5; do
    name=\`ipconfig getoption $interface host_name 2>/dev/null\`
    if [ -z "$name" ]; then
      address=\`ipconfig getifaddr $interface 2>/dev/null\`
      [ -n "$address" ] && name=\`dig +short +time=2 +tries=1 -x "$address" 2>/dev/null | sed -n '1s/\\.$//p'\`
    fi
    [ -n "$name" ] && break
  done
  round=\`expr $round + 1\`
  [ -z "$name" ] && sleep 5
done
short=\`echo "$name" | sed 's/\\..*//; s/[^A-Za-z0-9-]/-/g'\`
if [ -n "$short" ]; then
  scutil --set ComputerName "$short"
  scutil --set LocalHostName "$short"
  # This one only where the master had one: else a Mac takes it from the network by itself.
  [ -n "\`scutil --get HostName 2>/dev/null\`" ] && scutil --set HostName "$name"
  for kind in ComputerName LocalHostName; do
    [ "\`scutil --get $kind\`" = "$short" ] || failed=1
  done
else
  failed=1
fi
`,
  byhost: `
# By-host preferences, to the id that this Mac has.
id=\`ioreg -rd1 -c IOPlatformExpertDevice | sed -n 's/.*"IOPlatformUUID" = "\\([0-9A-Fa-f-]*\\)".*/\\1/p'\`
case "$id" in
  00000000-*) id=\`echo "$id" | sed 's/.*-//' | tr A-F a-f\` ;;
esac
if [ -z "$id" ]; then
  failed=1
else
  root=\${BOOTCAST_ROOT-}
  for folder in "$root"/Users/*/Library/Preferences/ByHost "$root"/Library/Preferences/ByHost \\
    "$root"/private/var/*/Library/Preferences/ByHost "$root"/private/var/db/*/Library/Preferences/ByHost \\
    "$root"/Users/*/Library/Containers/*/Data/Library/Preferences/ByHost; do
    [ -d "$folder" ] || continue
    rm -f "$folder"/*.lockfile "$folder"/.*.lockfile
    for file in "$folder"/*.plist "$folder"/.*.plist; do
      [ -f "$file" ] || continue
      uuid='[0-9A-Fa-f]\\{8\\}-[0-9A-Fa-f]\\{4\\}-[0-9A-Fa-f]\\{4\\}-[0-9A-Fa-f]\\{4\\}-[0-9A-Fa-f]\\{12\\}'
      domain=\`echo "$file" | sed -n "s/\\.$uuid\\.plist$//p"\`
      # A name that only ends as an address does may be meant so; Apple's own are not.
      [ -n "$domain" ] || domain=\`echo "$file" | sed -n '/\\/\\(com\\.apple\\.[^/]*\\|\\.GlobalPreferences\\)$/!s/\\(\\/com\\.apple\\.[^/]*\\|\\/\\.GlobalPreferences\\)\\.[0-9a-f]\\{12\\}\\.plist$/\\1/p'\`
      [ -n "$domain" ] || continue
      fresh="$domain.$id.plist"
      [ "$file" = "$fresh" ] && continue
      if [ -e "$fresh" ]; then
        # The newer one counts; nothing is lost.
        [ "$file" -nt "$fresh" ] || continue
        mv "$fresh" "$fresh.bootcast-old"
      fi
      mv "$file" "$fresh" || failed=1
    done
  done
fi
`,
  kerberos: `
# A local Kerberos of its own.
for certificate in com.apple.kerberos.kdc com.apple.systemdefault; do
  security delete-certificate -c $certificate /Library/Keychains/System.keychain >/dev/null 2>&1
done
if [ -x /usr/libexec/configureLocalKDC ]; then /usr/libexec/configureLocalKDC || failed=1; fi
`,
};

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
