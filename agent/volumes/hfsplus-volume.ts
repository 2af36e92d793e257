import { type FileHandle, open } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource, BlockTarget, ByteRange } from "../../images/block.ts";
import { readHfsPlusFreeSpace } from "../../images/free-space/hfs-plus.ts";
import { Implausible, Volume } from "../../images/free-space/volume.ts";
import { VolumeEditor } from "../../images/hfs-plus/volume-editor.ts";
import { readFully } from "../disk/target.ts";
import type { FileTree } from "../identity/file-tree.ts";
import { HfsPlusTree } from "../identity/hfs-plus-tree.ts";
import { hfsPlusRefusal } from "./hfsplus-state.ts";

/**
 * Reads and changes the files of an HFS+ volume without the kernel. Its driver writes to a journaled volume only by
 * force, sets no Finder flags of links, and is not in every kernel; so this is the one way.
 *
 * @param use gets the files; changes are on the disk when it is through, and none of them when it throws
 * @param seconds the time, since 1970
 * @returns why the volume is left as it is, in words, and else what `use` returned
 */
export async function withHfsPlus<T>(
  device: { readonly path: string; readonly sizeBytes: number },
  seconds: number,
  use: (files: FileTree) => Promise<T>,
): Promise<{ readonly refusal: string } | { readonly result: T }> {
  const handle = await open(device.path, "r+");
  try {
    const disk = new OpenVolume(handle, device.path, device.sizeBytes);
    const editor = await editorFor(disk, { startBytes: 0, endBytes: device.sizeBytes });
    if (typeof editor === "string") return { refusal: editor };
    const result = await use(new HfsPlusTree(editor, seconds));
    await editor.save(disk, seconds);
    return { result };
  } finally {
    await handle.close();
  }
}

/** An editor for a volume on a disk, or why it must not be changed, in words. */
export async function editorFor(disk: BlockSource, range: ByteRange): Promise<VolumeEditor | string> {
  const volume = new Volume(disk, range.startBytes, range.endBytes - range.startBytes);
  const part: BlockSource = { sizeBytes: volume.sizeBytes, read: (at, length) => volume.read(at, length) };
  try {
    const refusal = await hfsPlusRefusal(part);
    if (refusal !== undefined) return refusal;
    const free = await readHfsPlusFreeSpace(volume);
    if (free.state !== "known") return free.state === "dirty" ? `it ${free.problem}` : free.reason;
    return await VolumeEditor.open(disk, range);
  } catch (error) {
    if (error instanceof Implausible) return `it is damaged: ${error.message}`;
    if (error instanceof Fault) return error.what;
    throw error;
  }
}

class OpenVolume implements BlockSource, BlockTarget {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string, sizeBytes: number) {
    this.#handle = handle;
    this.#path = path;
    this.sizeBytes = sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length);
    await readFully(this.#handle, bytes, offset, this.#path);
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += (await this.#handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }

  async flush(): Promise<void> {
    await this.#handle.datasync();
  }
}
