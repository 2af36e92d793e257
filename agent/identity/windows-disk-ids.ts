import { Fault } from "../../fault.ts";
import type { Change, IdentityModule } from "./change.ts";
import { checkHive, withRegistryBytes } from "./registry-hive.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** Where Windows keeps its boot entries: on the EFI system partition, or on the active one. */
const bootStores = ["/EFI/Microsoft/Boot/BCD", "/Boot/BCD"];
const SYSTEM_HIVE = "/Windows/System32/config/SYSTEM";
/** In front of a partition's GUID in `MountedDevices`; a disk with an MBR has its number and the partition's place. */
const GPT_MARK = Buffer.from("DMIO:ID:", "latin1");
const MBR_DEVICE_BYTES = 12;

/**
 * Where disk and partitions were given new ids, what Windows finds them by: its drive letters (`MountedDevices`), and
 * the devices in its boot entries. Each is written over in place.
 */
export const windowsDiskIds: IdentityModule = {
  name: "windows-disk-ids",
  async plan(volume, { renewedUuids = new Map() }) {
    const ids = [...renewedUuids].map(([old, fresh]) => ({ old: onDisk(old), fresh: onDisk(fresh) })).filter(isPair);
    if (ids.length === 0) return undefined;
    const changes: Change[] = [];
    const notes: string[] = [];
    const renew = async (place: string, key: readonly string[], fresh: (data: Buffer) => Buffer, why: string) => {
      const path = await volume.find(place);
      const hive = path === undefined ? undefined : await volume.readBytes(path);
      if (path === undefined || hive === undefined) return;
      try {
        checkHive(hive);
        const content = withRegistryBytes(hive, key, fresh);
        if (content !== hive) changes.push({ kind: "write", path, content, why });
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        notes.push(`${path} stays as it is, and names ids of the old disk: ${error.what} ${error.fix}`);
      }
    };
    const letters = (data: Buffer) => renewedMountPoint(data, ids);
    await renew(SYSTEM_HIVE, ["MountedDevices"], letters, "drive letters stay with their partitions");
    for (const store of bootStores)
      await renew(
        store,
        ["Objects"],
        (data) => renewedGuids(data, ids),
        "Windows starts from a partition with a new id",
      );
    return (await holdsWindows(volume)) ? { changes, notes } : undefined;
  },
};

type IdPair = { readonly old: Buffer; readonly fresh: Buffer };

function isPair(pair: { old: Buffer | undefined; fresh: Buffer | undefined }): pair is IdPair {
  return pair.old !== undefined && pair.fresh !== undefined && pair.old.length === pair.fresh.length;
}

async function holdsWindows(volume: VolumeFiles): Promise<boolean> {
  for (const place of [SYSTEM_HIVE, ...bootStores]) if ((await volume.find(place)) !== undefined) return true;
  return false;
}

/**
 * An id as it lies on a disk: a GUID has its first three fields turned round, and the number of an MBR's disk, which
 * stands in front of "-01" in its partitions' ids, is little-endian. Undefined for ids of file systems, which Windows
 * does not use.
 */
export function onDisk(id: string): Buffer | undefined {
  const number = /^([0-9a-f]{8})-[0-9a-f]{2}$/i.exec(id)?.[1];
  if (number !== undefined) return Buffer.from(number, "hex").reverse();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return undefined;
  const bytes = Buffer.from(id.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** One value of `MountedDevices`. */
export function renewedMountPoint(data: Buffer, ids: readonly IdPair[]): Buffer {
  const fresh = Buffer.from(data);
  const isGpt = data.length === GPT_MARK.length + 16 && data.subarray(0, GPT_MARK.length).equals(GPT_MARK);
  const at = isGpt ? GPT_MARK.length : data.length === MBR_DEVICE_BYTES ? 0 : undefined;
  if (at === undefined) return fresh;
  const length = isGpt ? 16 : 4;
  const pair = ids.find(({ old }) => old.length === length && data.subarray(at, at + length).equals(old));
  pair?.fresh.copy(fresh, at);
  return fresh;
}

/**
 * A device in a boot entry: a block of 72 bytes and more, with the partition's id at byte 32 and the disk's at 56. Of an
 * MBR it has the partition's place instead of an id, and the disk's number.
 */
export function renewedGuids(data: Buffer, ids: readonly IdPair[]): Buffer {
  const fresh = Buffer.from(data);
  const guids = ids.filter(({ old }) => old.length === 16);
  // One that was renewed is not renewed again: new ids may be others' old ones.
  for (let at = 0; at + 16 <= data.length; ) {
    const pair = guids.find(({ old }) => data.subarray(at, at + 16).equals(old));
    pair?.fresh.copy(fresh, at);
    at += pair === undefined ? 1 : 16;
  }
  const numbers = ids.filter(({ old }) => old.length === 4);
  for (const at of diskNumbersAt(data))
    numbers.find(({ old }) => data.subarray(at, at + 4).equals(old))?.fresh.copy(fresh, at);
  return fresh;
}

const DEVICE_BYTES = 0x48;
const DEVICE_TYPE_PARTITION = 6;
const STYLE_MBR = 1;

/** Where disk numbers of MBRs stand: in an element that is a partition of such a disk. Source: mistyprojects.co.uk, BCDEdit, "Devices Partition - Data". */
function diskNumbersAt(data: Buffer): number[] {
  const found: number[] = [];
  // Behind the options' GUID; a device that lies in another one (as a ramdisk's file) begins later.
  for (let at = 16; at + DEVICE_BYTES <= data.length; at += 4) {
    const isPartition = data.readUInt32LE(at) === DEVICE_TYPE_PARTITION && data.readUInt32LE(at + 8) >= DEVICE_BYTES;
    if (isPartition && data.readUInt32LE(at + 0x24) === STYLE_MBR) found.push(at + 0x28);
  }
  return found;
}
