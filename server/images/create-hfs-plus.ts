import { createHash } from "node:crypto";
import { constants, open, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { VolumeLayout } from "../../images/hfs-plus/layout.ts";
import { toVolumeName } from "../../images/hfs-plus/names.ts";
import { VolumeContent } from "../../images/hfs-plus/volume-content.ts";
import { changeable } from "./changes-file.ts";
import { type FolderEntries, volumeEntries } from "./create-volume-entries.ts";
import type { FolderVolume, FolderVolumeOptions } from "./folder-volume.ts";

const BOOTER_FOLDER = "System/Library/CoreServices";
/** A volume's name as the Finder takes it. */
const MOST_VOLUME_NAME_CHARACTERS = 27;

/**
 * Makes an HFS+ volume of a folder, to be read while it is asked for: files
 * stay where they are; only the lists of them are in a temporary file.
 *
 * @param source without links
 * @throws {Fault} NAME_REFUSED, NAMES_COLLIDE, VOLUME_TOO_LARGE, TEMPORARY_SPACE; while it is read SOURCE_CHANGED
 */
export async function hfsPlusOfFolder(
  source: string,
  directory: string,
  { steps, tag, name, log, signal }: FolderVolumeOptions,
): Promise<FolderVolume> {
  log?.(`Listing ${source}.`);
  const found = await volumeEntries(source, { steps, ...(tag && { tag }), ...(signal && { signal }) });
  if (found.leftOut > 0) log?.(`${found.leftOut} sockets are left out: programs make them when they start.`);
  const { entries, changes, tagFile } = found;
  const { mode, uid, gid, mtimeMs } = await stat(source);
  const newest = entries.reduce((most, { rights }) => Math.max(most, rights.changedSeconds), mtimeMs / 1000);
  const layout = new VolumeLayout({
    name: toVolumeName([...name].slice(0, MOST_VOLUME_NAME_CHARACTERS).join("")),
    root: { mode, uid, gid, changedSeconds: mtimeMs / 1000 },
    dateSeconds: newest,
    // A next version of the image has the same.
    volumeId: createHash("sha256").update(`bootcast volume ${name}`).digest().subarray(0, 8),
    blessed: BOOTER_FOLDER,
    entries,
  });
  // How large it is comes out with the last of its lists.
  const content = new VolumeContent(layout, Number.MAX_SAFE_INTEGER, contentOf(source, found));
  const { disk, close } = await changeable(content, { directory });
  try {
    const metadata = layout.metadata();
    for (let next = metadata.next(); ; next = metadata.next()) {
      if (next.done === true) {
        const { sizeBytes } = next.value;
        const read = (offset: number, length: number) => disk.read(offset, length);
        return { source: { sizeBytes, sectorBytes: 512, read, close }, changes, tagFile, remove: close };
      }
      signal?.throwIfAborted();
      await disk.write(next.value.atBytes, next.value.bytes);
    }
  } catch (error) {
    await close();
    throw error;
  }
}

/** Reads a part of an entry, and refuses it when it is no longer what was listed. */
function contentOf(source: string, { entries, names, written }: FolderEntries) {
  const pathOf = (entry: number): string => {
    const { folder } = entries[entry]!;
    return join(folder === -1 ? source : pathOf(folder), names[entry]!);
  };
  return async (entry: number, offset: number, lengthBytes: number): Promise<Uint8Array> => {
    const bytes = written.get(entry);
    if (bytes !== undefined) return bytes.subarray(offset, offset + lengthBytes);
    const path = pathOf(entry);
    const { kind, sizeBytes, rights } = entries[entry]!;
    if (kind === "link") {
      const target = await readlink(path, { encoding: "buffer" }).catch(() => undefined);
      if (target?.length !== sizeBytes) throw changed(path);
      return target.subarray(offset, offset + lengthBytes);
    }
    // A link that took its place is not followed, a pipe not waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags).catch((error: unknown) => {
      throw notRead(path, error);
    });
    try {
      const { size, mtimeMs } = await file.stat();
      if (size !== sizeBytes || mtimeMs / 1000 !== rights.changedSeconds) throw changed(path);
      const part = Buffer.allocUnsafeSlow(lengthBytes);
      for (let at = 0; at < lengthBytes; ) {
        const { bytesRead } = await file.read(part, at, lengthBytes - at, offset + at);
        if (bytesRead === 0) throw changed(path);
        at += bytesRead;
      }
      return part;
    } finally {
      await file.close();
    }
  };
}

function changed(path: string, cause?: unknown): Fault {
  return new Fault(
    "SOURCE_CHANGED",
    {
      what: `${path} changed while it was read. No image was made.`,
      why: "A file that is half old and half new is good for nobody.",
      fix: "Stop what writes into the folder, or copy it first, and start again.",
    },
    cause,
  );
}

function notRead(path: string, error: unknown): Fault {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "EACCES" && code !== "EPERM") return changed(path, error);
  return new Fault(
    "SOURCE_REFUSED",
    {
      what: `${path} could not be read. No image was made.`,
      why: "You have no right to.",
      fix: "Run it as root (sudo), which may read every file.",
    },
    error,
  );
}
