import type { VolumeEntry } from "../../../images/hfs-plus/entry.ts";
import { VolumeLayout } from "../../../images/hfs-plus/layout.ts";
import { toVolumeName } from "../../../images/hfs-plus/names.ts";
import { VolumeContent } from "../../../images/hfs-plus/volume-content.ts";

export type MadeEntry = {
  /** Folders on the way are made. */
  readonly path: string;
  readonly content?: string | Uint8Array;
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly sharedAs?: string;
  /** When it was changed; some time in 2001 otherwise. */
  readonly seconds?: number;
};

/** An HFS+ volume in memory; an entry without content and target is a folder. */
export async function madeVolume(listed: readonly MadeEntry[], sizeBytes?: number): Promise<Buffer> {
  const entries: VolumeEntry[] = [];
  const contents: Uint8Array[] = [];
  const folders = new Map<string, number>([["", -1]]);
  const add = ({ path, content, target, mode, uid = 0, sharedAs, seconds = 1_000_000_000 }: MadeEntry): number => {
    const cut = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(0, cut));
    const folder = folders.get(parent) ?? add({ path: parent });
    const bytes = Buffer.from((content ?? target ?? "") as string);
    const kind = target !== undefined ? "link" : content !== undefined ? "file" : "folder";
    const typeBits = { folder: 0o040000, file: 0o100000, link: 0o120000 }[kind];
    entries.push({
      folder,
      name: toVolumeName(path.slice(cut + 1)),
      kind,
      rights: { mode: typeBits | (mode ?? 0o755), uid, gid: 0, changedSeconds: seconds },
      sizeBytes: bytes.length,
      ...(sharedAs !== undefined && { sharedAs }),
    });
    contents.push(bytes);
    if (kind === "folder") folders.set(path, entries.length - 1);
    return entries.length - 1;
  };
  for (const entry of listed) if (!folders.has(entry.path)) add(entry);
  const layout = new VolumeLayout({
    name: "Test",
    root: { mode: 0o041775, uid: 0, gid: 80, changedSeconds: 0 },
    dateSeconds: 1_100_000_000,
    volumeId: Buffer.from("0123456789abcdef", "hex"),
    blessed: "System/Library/CoreServices",
    entries,
    ...(sizeBytes !== undefined && { sizeBytes }),
  });
  const metadata = [];
  const pieces = layout.metadata();
  let next = pieces.next();
  for (; next.done !== true; next = pieces.next()) metadata.push(next.value);
  const volume = new VolumeContent(layout, next.value.sizeBytes, async (entry, offset, length) =>
    contents[entry]!.subarray(offset, offset + length),
  );
  const bytes = Buffer.from(await volume.read(0, volume.sizeBytes));
  for (const { atBytes, bytes: piece } of metadata) bytes.set(piece, atBytes);
  return bytes;
}
