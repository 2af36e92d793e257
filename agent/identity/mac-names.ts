import { type PropertyEdit, parsePropertyList } from "../../images/property-list.ts";
import { editPropertyList } from "../../images/property-list-edit.ts";
import type { Change, IdentityModule } from "./change.ts";
import { isTen, macRelease } from "./mac-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

const CONFIGURATION = "/Library/Preferences/SystemConfiguration";
const NAMES = `${CONFIGURATION}/preferences.plist`;
const SMB = `${CONFIGURATION}/com.apple.smb.server.plist`;
const HOST_CONFIG = "/private/etc/hostconfig";

/** What is written where a Mac that was never named has no list yet: its network settings it makes itself. */
const emptyList = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict/>
</plist>
`;

/**
 * The three names of a Mac: ComputerName (what people see), LocalHostName (Bonjour), and HostName, which is set only
 * where the image had one, because by itself a Mac takes that from the network; and the name it has for Windows.
 */
export const macNames: IdentityModule = {
  name: "mac-names",
  async plan(volume, { hostName }) {
    const release = await macRelease(volume);
    if (release === undefined) return undefined;
    const changes: Change[] = [];
    const notes: string[] = [];
    const short = hostName.split(".")[0] ?? hostName;
    const edit = async (path: string, otherwise: string | undefined, editsFor: (value: unknown) => PropertyEdit[]) => {
      const bytes = (await volume.readBytes(path)) ?? (otherwise === undefined ? undefined : Buffer.from(otherwise));
      if (bytes === undefined) return;
      try {
        const content = editPropertyList(bytes, editsFor(parsePropertyList(bytes)));
        if (content !== bytes) changes.push({ kind: "write", path, content, why: `the Mac is named ${hostName}` });
      } catch (error) {
        // One broken list is no reason to fail a whole Mac.
        notes.push(`${path} stays as it is: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    const canBeMade = (await volume.stat(CONFIGURATION))?.isDirectory() === true;
    await edit(NAMES, canBeMade ? emptyList : undefined, (value) => [
      { keys: ["System", "System", "ComputerName"], text: short },
      // Its encoding stands beside it, and that of a plain name is none.
      { keys: ["System", "System", "ComputerNameEncoding"], text: undefined },
      { keys: ["System", "Network", "HostNames", "LocalHostName"], text: short },
      ...(isSet(value, ["System", "System", "HostName"])
        ? [{ keys: ["System", "System", "HostName"], text: hostName }]
        : []),
    ]);
    await edit(SMB, undefined, (value) =>
      isSet(value, ["NetBIOSName"]) ? [{ keys: ["NetBIOSName"], text: netBiosName(short) }] : [],
    );
    if (isTen(release, 0, 4)) changes.push(...(await hostConfigChange(volume, hostName)));
    return { changes, notes };
  },
};

/** At most 15 letters, in capitals. */
export function netBiosName(name: string): string {
  return name.slice(0, 15).toUpperCase();
}

function isSet(value: unknown, keys: readonly string[]): boolean {
  let inside = value;
  for (const key of keys) {
    if (typeof inside !== "object" || inside === null) return false;
    inside = Object.hasOwn(inside, key) ? (inside as Record<string, unknown>)[key] : undefined;
  }
  return inside !== undefined;
}

/** Up to 10.4 a fixed name may stand in /etc/hostconfig; "-AUTOMATIC-" means that the lists above are asked. */
async function hostConfigChange(volume: VolumeFiles, hostName: string): Promise<Change[]> {
  const text = await volume.readText(HOST_CONFIG);
  if (text === undefined) return [];
  const content = text.replace(/^HOSTNAME=(?!-AUTOMATIC-\s*$).*$/m, `HOSTNAME=${hostName}`);
  if (content === text) return [];
  return [{ kind: "write", path: HOST_CONFIG, content, why: "it named the old Mac" }];
}
