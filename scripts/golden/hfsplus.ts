import type { VolumeEntry } from "../../images/hfs-plus/entry.ts";
import { VolumeLayout } from "../../images/hfs-plus/layout.ts";
import { toVolumeName } from "../../images/hfs-plus/names.ts";

/** One thing in the volume. Folders on the way to it are made when they are not listed. */
export type MacEntry = {
  /** Absolute. */
  readonly path: string;
  /** A file's text. Without it and without a target the entry is a folder. */
  readonly content?: string;
  /** A symbolic link's target. */
  readonly target?: string;
  /** Permission bits. Default 0755 for folders and links, 0644 for files. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
};

export type MacVolume = {
  readonly sizeBytes: number;
  readonly name: string;
  /** Every date in the volume, in seconds since 1970. */
  readonly dateSeconds: number;
  /** 8 bytes. */
  readonly volumeId: Uint8Array;
  /** Path of the folder that firmware looks into for the booter. */
  readonly blessed: string;
  readonly entries: readonly MacEntry[];
};

/** A small HFS+ volume as bytes. */
export function hfsPlusVolume(volume: MacVolume): Uint8Array {
  const { dateSeconds, name, volumeId } = volume;
  const listed = withFolders(volume.entries);
  const layout = new VolumeLayout({
    name,
    dateSeconds,
    volumeId,
    blessed: volume.blessed.slice(1),
    root: { mode: 0o041775, uid: 0, gid: 80, changedSeconds: dateSeconds },
    entries: entriesOf(listed, dateSeconds),
    sizeBytes: volume.sizeBytes,
  });
  const image = new Uint8Array(volume.sizeBytes - (volume.sizeBytes % 4096));
  for (const { atBytes, bytes } of layout.metadata()) image.set(bytes, atBytes);
  for (const { entry, atBytes } of layout.contentsIn(0, image.length)) image.set(bytesOf(listed[entry]!), atBytes);
  return image;
}

/** Parents come before what is in them. */
function withFolders(entries: readonly MacEntry[]): MacEntry[] {
  const found = new Map<string, MacEntry>();
  const add = (entry: MacEntry): void => {
    if (found.has(entry.path)) return;
    const parent = entry.path.slice(0, entry.path.lastIndexOf("/"));
    if (parent !== "") add(entries.find(({ path }) => path === parent) ?? { path: parent });
    found.set(entry.path, entry);
  };
  for (const entry of entries) add(entry);
  return [...found.values()];
}

function entriesOf(listed: readonly MacEntry[], dateSeconds: number): VolumeEntry[] {
  const places = new Map(listed.map(({ path }, index) => [path, index]));
  return listed.map((entry) => {
    const cut = entry.path.lastIndexOf("/");
    const kind = entry.target !== undefined ? "link" : entry.content !== undefined ? "file" : "folder";
    return {
      folder: places.get(entry.path.slice(0, cut)) ?? -1,
      name: toVolumeName(entry.path.slice(cut + 1)),
      kind,
      rights: {
        mode: typeBits[kind] | (entry.mode ?? (kind === "file" ? 0o644 : 0o755)),
        uid: entry.uid ?? 0,
        gid: entry.gid ?? 0,
        changedSeconds: dateSeconds,
      },
      sizeBytes: bytesOf(entry).length,
    };
  });
}

const typeBits = { folder: 0o040000, file: 0o100000, link: 0o120000 } as const;

function bytesOf({ content, target }: MacEntry): Buffer {
  return Buffer.from(content ?? target ?? "");
}
