import { posix } from "node:path";
import { Fault } from "../../fault.ts";
import { Implausible } from "../../images/free-space/volume.ts";
import { toVolumeName } from "../../images/hfs-plus/names.ts";
import type { VolumeEditor } from "../../images/hfs-plus/volume-editor.ts";
import type { VolumeItem } from "../../images/hfs-plus/volume-reader.ts";
import type { FileStats, FileTree } from "./file-tree.ts";

const MOST_BYTES = 64 * 1024 * 1024;

/** The files of an HFS+ volume that is not mounted. What is changed is on the disk when the editor has saved it. */
export class HfsPlusTree implements FileTree {
  readonly #editor: VolumeEditor;
  readonly #seconds: number;

  /** @param seconds the time, since 1970: of new files */
  constructor(editor: VolumeEditor, seconds: number) {
    this.#editor = editor;
    this.#seconds = seconds;
  }

  lstat(path: string): Promise<FileStats | undefined> {
    return this.#told(path, async () => {
      const item = await this.#editor.reader.at(path);
      return item && this.#statsOf(item);
    });
  }

  readLink(path: string): Promise<string | undefined> {
    return this.#told(path, async () => {
      const item = await this.#editor.reader.at(path);
      return item?.kind === "link" ? (await this.#editor.reader.read(item, 4096)).toString("utf8") : undefined;
    });
  }

  read(path: string): Promise<Buffer> {
    return this.#told(path, async () => this.#editor.reader.read(await this.#there(path), MOST_BYTES));
  }

  list(path: string): Promise<string[]> {
    return this.#told(path, async () => {
      const item = await this.#editor.reader.at(path);
      return item?.kind === "folder" ? this.#editor.reader.names(item) : [];
    });
  }

  write(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    return this.#told(path, async () => {
      const item = await this.#editor.reader.at(path);
      if (item !== undefined) return this.#editor.write(item, bytes);
      await this.#create(path, { kind: "file", mode, bytes });
    });
  }

  remove(path: string): Promise<void> {
    return this.#told(path, async () => {
      const item = await this.#editor.reader.at(path);
      if (item !== undefined) await this.#editor.remove(item);
    });
  }

  removeTree(path: string): Promise<void> {
    return this.remove(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#told(from, async () =>
      this.#editor.rename(await this.#there(from), await this.#there(posix.dirname(to)), nameOf(to)),
    );
  }

  copy(from: string, to: string): Promise<void> {
    return this.#told(from, async () =>
      this.#editor.copy(await this.#there(from), await this.#there(posix.dirname(to)), nameOf(to), MOST_BYTES),
    );
  }

  link(path: string, to: string): Promise<void> {
    return this.#told(path, () => this.#create(path, { kind: "link", mode: 0o755, bytes: Buffer.from(to) }));
  }

  isInvisible(path: string): Promise<boolean | undefined> {
    return this.#told(path, async () => this.#editor.reader.isInvisible(await this.#there(path)));
  }

  hide(path: string): Promise<void> {
    return this.#told(path, async () => this.#editor.hide(await this.#there(path)));
  }

  async #create(path: string, what: { kind: "file" | "link"; mode: number; bytes: Uint8Array }): Promise<void> {
    const folder = await this.#there(posix.dirname(path));
    await this.#editor.create(folder, nameOf(path), { ...what, seconds: this.#seconds });
  }

  async #there(path: string): Promise<VolumeItem> {
    const item = await this.#editor.reader.at(path);
    if (item !== undefined) return item;
    throw Object.assign(new Error(`ENOENT: ${path} is not on the volume`), { code: "ENOENT" });
  }

  #statsOf(item: VolumeItem): FileStats {
    const { reader } = this.#editor;
    return {
      isFile: () => item.kind === "file",
      isDirectory: () => item.kind === "folder",
      isSymbolicLink: () => item.kind === "link",
      size: reader.sizeBytes(item),
      mtimeMs: reader.modifiedSeconds(item) * 1000,
      dev: 0,
    };
  }

  async #told<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Implausible)) throw error;
      throw new Fault(
        "HFSPLUS_UNCHANGED",
        {
          what: `${path} of the restored Mac cannot be read or changed, so its volume stays as it is.`,
          why: `The volume is not what it should be: ${error.message}.`,
          fix: 'Check the master with Disk Utility ("First Aid"), and make the image again.',
        },
        error,
      );
    }
  }
}

function nameOf(path: string): string {
  return toVolumeName(posix.basename(path));
}
