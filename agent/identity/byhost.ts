import { posix } from "node:path";
import { countIds, parseByHostName, planByHost } from "./byhost-plan.ts";
import type { Change, Identity, IdentityModule } from "./change.ts";
import { productVersion, SYSTEM_VERSION_PATH } from "./system-version.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** Below these, by-host preferences of people, of the machine, of daemons and of future users are found. */
const homes = ["/Users", "/Library", "/private/var", "/System/Library/User Template"];
/** A home lies at most so deep below one of them: /private/var/db/locationd. */
const HOME_DEPTH = 2;

/** macOS preferences that are kept by machine: renamed to this machine's id, so that users find their settings again. */
export const byHost: IdentityModule = {
  name: "byhost",
  async plan(volume, identity) {
    const version = await volume.readText(SYSTEM_VERSION_PATH);
    if (version === undefined) return undefined;
    const osVersion = productVersion(version);
    const directories = await byHostDirectories(volume);
    const names = new Map<string, string[]>();
    for (const directory of directories) names.set(directory, await volume.list(directory));
    const all = [...names.values()].flat();
    const facts = { osVersion, mac: identity.mac, uuid: knownUuid(identity, all), idCounts: countIds(all) };
    const changes: Change[] = [];
    const notes: string[] = [];
    for (const [directory, files] of names) {
      const dated = [];
      for (const name of files) {
        const stats = await volume.lstat(posix.join(directory, name));
        if (stats?.isFile() === true) dated.push({ name, modifiedAtMs: stats.mtimeMs });
      }
      const plan = planByHost(dated, facts);
      const at = (name: string) => posix.join(directory, name);
      for (const name of plan.deletes) changes.push({ kind: "delete", path: at(name), why: "it is the old machine's" });
      const why = "it is kept by machine";
      for (const { from, to } of plan.renames) changes.push({ kind: "rename", from: at(from), to: at(to), why });
      for (const { from, to } of plan.copies) changes.push({ kind: "copy", from: at(from), to: at(to), why });
      for (const { live, aside } of plan.conflicts) notes.push(`${at(live)} is the newer one; the other is ${aside}`);
      for (const { name, why: reason } of plan.skipped) notes.push(`${at(name)} stays: ${reason}`);
    }
    return { changes, notes };
  },
};

/** Both spellings of the UUID are possible; the one that the volume has seen on this machine before is right. */
export function knownUuid(identity: Identity, names: readonly string[]): string | undefined {
  const ids = new Set(names.map((name) => parseByHostName(name)?.id.toUpperCase()));
  return identity.hardwareUuids.find((uuid) => ids.has(uuid)) ?? identity.hardwareUuids[0];
}

/** Every directory "ByHost" inside one named "Preferences"; links and other volumes are not followed. */
export async function byHostDirectories(volume: VolumeFiles): Promise<string[]> {
  const found: string[] = [];
  const device = (await volume.lstat("/"))?.dev;
  const walk = async (directory: string, depth: number, isInLibrary: boolean): Promise<void> => {
    const stats = await volume.lstat(directory);
    if (stats?.isDirectory() !== true || stats.dev !== device) return;
    const name = posix.basename(directory);
    if (name === "ByHost") {
      if (posix.basename(posix.dirname(directory)) === "Preferences") found.push(directory);
      return;
    }
    const isLibrary = isInLibrary || name === "Library";
    for (const child of await volume.list(directory)) {
      const isWorthALook = isLibrary ? leadsToByHost(directory, child) : child === "Library" || depth < HOME_DEPTH;
      if (isWorthALook) await walk(posix.join(directory, child), depth + 1, isLibrary);
    }
  };
  for (const home of homes) await walk(home, 0, false);
  return found;
}

// Below a Library only two ways lead to preferences, its own and those of sandboxed programs;
// walking the rest would read a whole disk of caches and mail.
function leadsToByHost(directory: string, child: string): boolean {
  switch (posix.basename(directory)) {
    case "Library":
      return ["Preferences", "Containers", "User Template"].includes(child);
    case "Preferences":
      return child === "ByHost";
    case "Data":
      return child === "Library";
    case "Containers":
    case "User Template":
      return true;
    default:
      // A container, or a language of the user template.
      return child === "Data" || child === "Library";
  }
}
