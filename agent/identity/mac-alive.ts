import { aliveScript } from "./alive-script.ts";
import type { Change, IdentityModule } from "./change.ts";
import { isTen, macRelease } from "./mac-system.ts";

const LABEL = "org.bootcast.alive";
const SCRIPT = "/private/var/db/bootcast-alive";
const DAEMONS = "/Library/LaunchDaemons";
const JOB = `${DAEMONS}/${LABEL}.plist`;

const job = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>${LABEL}</string>
	<key>ProgramArguments</key>
	<array>
		<string>/bin/sh</string>
		<string>${SCRIPT}</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
</dict>
</plist>
`;

/** Lets a restored Mac say at its first start that it is up, where that was ordered. launchd came with 10.4. */
export const macAlive: IdentityModule = {
  name: "mac-alive",
  async plan(volume, { alive }) {
    if (alive === undefined) return undefined;
    const release = await macRelease(volume);
    if (release === undefined) return undefined;
    const isReady = (await volume.exists(DAEMONS)) && (await volume.exists("/private/var/db"));
    if (isTen(release, 0, 3) || !isReady) {
      return { changes: [], notes: ["This Mac cannot say that it is up: its system has no launchd."] };
    }
    const script = aliveScript(alive, {
      name: "scutil --get LocalHostName 2>/dev/null || hostname -s",
      // The last one ends this script, too.
      remove: `rm -f ${JOB} ${SCRIPT}\n  launchctl remove ${LABEL}`,
    });
    const changes: Change[] = [];
    const why = "the system says once that it is up";
    if ((await volume.readText(SCRIPT)) !== script) {
      changes.push({ kind: "write", path: SCRIPT, content: script, mode: 0o700, why });
    }
    // launchd takes jobs only of root, and only those that nobody else may write.
    if ((await volume.readText(JOB)) !== job) changes.push({ kind: "write", path: JOB, content: job, why });
    return { changes, notes: [], callsWhenUp: true };
  },
};
