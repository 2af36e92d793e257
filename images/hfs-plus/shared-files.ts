import type { PlacedEntry, VolumeEntry } from "./entry.ts";
import { FIRST_USER_ID, finderFlag, PRIVATE_FOLDER } from "./records.ts";

export function idOf(entry: number): number {
  return FIRST_USER_ID + entry;
}

/**
 * Puts files that have several names into the volume's private folder, where
 * every name leads to them, and links the names among each other.
 *
 * Sources: Apple TN1150, "Hard Links"; xnu, hfs_format.h (link chains, since Mac OS X 10.5).
 *
 * @param dateSeconds of the volume: a name of a shared file is known by the private folder's date
 */
export function placeSharedFiles(entries: readonly VolumeEntry[], dateSeconds: number): readonly PlacedEntry[] {
  const groups = new Map<string, number[]>();
  for (const [index, { sharedAs }] of entries.entries()) {
    if (sharedAs === undefined) continue;
    const group = groups.get(sharedAs);
    if (group === undefined) groups.set(sharedAs, [index]);
    else group.push(index);
  }
  const shared = [...groups.values()].filter(({ length }) => length > 1);
  if (shared.length === 0) return entries;
  const placed: PlacedEntry[] = [...entries];
  const folder = placed.length;
  placed.push({
    folder: -1,
    name: PRIVATE_FOLDER,
    kind: "folder",
    rights: { mode: 0o040555, uid: 0, gid: 0, changedSeconds: dateSeconds },
    sizeBytes: 0,
    finderFlags: finderFlag.isInvisible | finderFlag.nameLocked,
  });
  for (const group of shared) {
    const first = entries[group[0]!]!;
    const entry = placed.length;
    placed.push({
      folder,
      name: `iNode${idOf(entry)}`,
      kind: "file",
      rights: { ...first.rights, special: group.length },
      sizeBytes: first.sizeBytes,
      names: { count: group.length, firstId: idOf(group[0]!) },
      contentOf: group[0]!,
    });
    for (const [at, index] of group.entries()) {
      const [previous, next] = [group[at - 1], group[at + 1]];
      placed[index] = {
        ...entries[index]!,
        sizeBytes: 0,
        leadsTo: {
          entry,
          previousId: previous === undefined ? 0 : idOf(previous),
          nextId: next === undefined ? 0 : idOf(next),
        },
      };
    }
  }
  return placed;
}
