import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { readApfsVolumes } from "../../../images/apfs/container.ts";
import { ContainerEditor } from "../../../images/apfs/container-editor.ts";
import { ApfsVolumeEditor } from "../../../images/apfs/volume-editor.ts";
import type { BlockSource, ByteRange } from "../../../images/block.ts";
import { Volume } from "../../../images/free-space/volume.ts";
import { StagedBlocks } from "../../../images/staged-blocks.ts";
import { FileDisk } from "../disk-fit/file-disk.ts";

/** Programs of Debian's apfsprogs are where only root looks for them. */
export const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
/** mkapfs makes no smaller ones. */
const MEBIBYTES = 128;
const BLOCK = 4096;

/** An empty volume, made by Debian's mkapfs. */
export function emptyContainer(t: TestContext, ...options: string[]): FileDisk {
  const disk = FileDisk.make(t, MEBIBYTES);
  execFileSync("mkapfs", [...options, disk.path], { env, stdio: ["ignore", "ignore", "pipe"] });
  return disk;
}

/**
 * A volume of 256 files with a snapshot, and five newer files, written by the Linux driver (linux-apfs-rw 0.3.0) into
 * a container of mkapfs; its count of blocks, which that driver gets wrong, made right. As block numbers and blocks.
 */
export async function containerWithSnapshot(t: TestContext): Promise<FileDisk> {
  const disk = FileDisk.make(t, 1024);
  const packed = readFileSync(join(import.meta.dirname, "../../vectors/apfs/with-snapshot.gz"));
  const parts = gunzipSync(packed);
  for (let at = 0; at < parts.length; at += 4 + BLOCK)
    await disk.write(parts.readUInt32LE(at) * BLOCK, parts.subarray(at + 4, at + 4 + BLOCK));
  return disk;
}

/** What apfsck, which knows every count and every order, has to say against a container. */
export function complaintsOf(disk: FileDisk): string {
  const { status, stdout, stderr } = spawnSync("apfsck", ["-cw", disk.path], { env, encoding: "utf8" });
  return status === 0 ? "" : `${status}: ${stdout}${stderr}`;
}

/** A file's content, as 7-Zip reads it. */
export function contentOf(disk: FileDisk, name: string): string {
  return execFileSync("7zz", ["x", "-so", "-tAPFS", disk.path, "-r", name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 24,
  });
}

export type NewFile = { readonly path: string; readonly content: Uint8Array };

export const NOW = 1_700_000_000_000_000_000n;

/** Files put into the first volume of a container, in memory. */
export async function withFiles(source: BlockSource, files: readonly NewFile[]): Promise<StagedBlocks> {
  const staged = new StagedBlocks(source);
  const container = wholeOf(staged);
  const [volume] = await readApfsVolumes(container);
  const editor = await ApfsVolumeEditor.open(await ContainerEditor.open(container, staged), volume!.id);
  for (const { path, content } of files) await editor.addFile(path, content, { now: NOW });
  return staged;
}

export function wholeOf(source: BlockSource): Volume {
  return new Volume(source, 0, source.sizeBytes);
}

/** Writes what is held in memory. */
export async function save(disk: FileDisk, staged: StagedBlocks): Promise<void> {
  for (const { at, bytes } of staged.changes()) await disk.write(at, bytes);
}

/** Which of its blocks are looked at while something is done. */
export class WatchedSource implements BlockSource {
  readonly #source: BlockSource;
  readonly looks: ByteRange[] = [];

  constructor(source: BlockSource) {
    this.#source = source;
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.looks.push({ startBytes: offset, endBytes: offset + length });
    return this.#source.read(offset, length);
  }
}
