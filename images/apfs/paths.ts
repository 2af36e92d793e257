import { expect } from "../free-space/volume.ts";
import type { ApfsVolume } from "./container.ts";
import { numberAt } from "./object.ts";
import { recordsIn } from "./tree.ts";

/** Apple File System Reference, "File-System Objects": j_drec_key_t, j_drec_hashed_key_t, j_drec_val_t. */
const ROOT_FOLDER = 2;
const NAME_IN_FOLDER = 9n;
const TYPE_SHIFT = 60n;
const NAME_BYTES = 0x3ff;

/**
 * Whether there is a file or folder of this path. Names are compared as they are, without regard to case.
 *
 * @param path as "Library/LaunchDaemons"
 * @throws {Implausible}
 */
export async function hasPath(volume: ApfsVolume, path: string): Promise<boolean> {
  let folder = ROOT_FOLDER;
  for (const name of path.split("/")) {
    const inside = await childOf(volume, folder, name);
    if (inside === undefined) return false;
    folder = inside;
  }
  return true;
}

async function childOf({ blocks, tree }: ApfsVolume, folder: number, name: string): Promise<number | undefined> {
  const wanted = (NAME_IN_FOLDER << TYPE_SHIFT) | BigInt(folder);
  const place = (key: Buffer) => {
    const found = key.readBigUInt64LE(0);
    // First by the number, then by the kind of record.
    const [number, kind] = [BigInt.asUintN(60, found), found >> TYPE_SHIFT];
    if (number !== BigInt(folder)) return number < BigInt(folder) ? -1 : 1;
    return Number(kind - (wanted >> TYPE_SHIFT));
  };
  for await (const { key, value } of recordsIn(blocks, tree, place)) {
    expect(value.length >= 8 && key.length >= 10, "a name in it is damaged");
    if (namesOf(key).includes(name.toLowerCase())) return numberAt(value, 0);
  }
  return undefined;
}

/** Behind its length; most volumes have a hash of it, too, in the same number. */
function namesOf(key: Buffer): string[] {
  const ends = (at: number, lengthBytes: number) =>
    lengthBytes > 0 && at + lengthBytes === key.length ? [key.toString("utf8", at, key.length - 1).toLowerCase()] : [];
  const plain = ends(10, key.readUInt16LE(8));
  return key.length < 12 ? plain : [...plain, ...ends(12, key.readUInt32LE(8) & NAME_BYTES)];
}
