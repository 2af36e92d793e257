import { createHash } from "node:crypto";
import { Fault } from "../../../fault.ts";
import type { BlockSource, BlockTarget } from "../../../images/block.ts";
import { FIRST_USABLE_SECTOR, SECTOR_BYTES } from "./gpt.ts";
import type { StickFile, StickPlan } from "./plan.ts";

const BLOCK_BYTES = 1024 * 1024;

export type StickProgress = {
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
};

/**
 * Writes a stick. Its partition table comes last, and of that the first sector: a stick that was pulled out half-way
 * starts nothing.
 *
 * @param target its first and last sectors hold nothing that counts any more
 * @returns the SHA-256 of each file, for `verifyStick`
 */
export async function writeStick(target: BlockTarget, plan: StickPlan, progress: StickProgress): Promise<string[]> {
  const { gpt, bios, volume, volumeAt, files } = plan;
  const digests: string[] = [];
  let doneBytes = 0;
  const totalBytes = totalOf(files);
  for (const [index, file] of files.entries()) {
    const at = volumeAt + volume.fileOffsets[index]!;
    digests.push(
      await writeFile(target, at, file, (bytes) => {
        doneBytes += bytes;
        progress.onProgress?.(doneBytes, totalBytes);
        progress.signal.throwIfAborted();
      }),
    );
  }
  for (const { offset, bytes } of volume.pieces()) {
    progress.signal.throwIfAborted();
    await target.write(volumeAt + offset, bytes);
  }
  if (bios !== undefined) await target.write(FIRST_USABLE_SECTOR * SECTOR_BYTES, bios.core);
  await target.write(gpt.backupSector * SECTOR_BYTES, gpt.backup);
  await target.write(SECTOR_BYTES, gpt.primary);
  await target.flush();
  await target.write(0, gpt.mbr);
  await target.flush();
  return digests;
}

/**
 * Reads a stick back and compares all of it with what was written.
 *
 * @throws {Fault} VERIFY_FAILED
 */
export async function verifyStick(
  source: BlockSource,
  { gpt, bios, volume, volumeAt, files }: StickPlan,
  digests: readonly string[],
  progress: StickProgress,
): Promise<void> {
  const compare = async (offset: number, bytes: Uint8Array, what: string) => {
    progress.signal.throwIfAborted();
    if (Buffer.compare(await source.read(offset, bytes.length), bytes) !== 0) throw differs(what);
  };
  await compare(0, gpt.mbr, "the first sector");
  await compare(SECTOR_BYTES, gpt.primary, "the partition table");
  await compare(gpt.backupSector * SECTOR_BYTES, gpt.backup, "the second partition table");
  if (bios !== undefined) await compare(FIRST_USABLE_SECTOR * SECTOR_BYTES, bios.core, "the loader for BIOS");
  for (const { offset, bytes } of volume.pieces()) await compare(volumeAt + offset, bytes, "the list of files");
  let doneBytes = 0;
  const totalBytes = totalOf(files);
  for (const [index, { path, sizeBytes }] of files.entries()) {
    const hash = createHash("sha256");
    const at = volumeAt + volume.fileOffsets[index]!;
    for (let done = 0; done < sizeBytes; done += BLOCK_BYTES) {
      progress.signal.throwIfAborted();
      const length = Math.min(BLOCK_BYTES, sizeBytes - done);
      hash.update(await source.read(at + done, length));
      doneBytes += length;
      progress.onProgress?.(doneBytes, totalBytes);
    }
    if (hash.digest("hex") !== digests[index]) throw differs(path);
  }
}

async function writeFile(
  target: BlockTarget,
  offset: number,
  file: StickFile,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  let block = new Uint8Array(BLOCK_BYTES);
  let filled = 0;
  let at = offset;
  const write = async () => {
    // Whole sectors: behind a file's end its cluster goes on.
    const length = Math.ceil(filled / SECTOR_BYTES) * SECTOR_BYTES;
    if (length > 0) await target.write(at, block.subarray(0, length));
    at += filled;
    filled = 0;
    block = new Uint8Array(BLOCK_BYTES);
  };
  for await (const bytes of file.content()) {
    hash.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + BLOCK_BYTES - filled);
      block.set(part, filled);
      filled += part.length;
      done += part.length;
      if (filled === BLOCK_BYTES) await write();
    }
    onBytes(bytes.length);
  }
  const written = at + filled - offset;
  await write();
  if (written !== file.sizeBytes) throw otherLength(file.path, written, file.sizeBytes);
  return hash.digest("hex");
}

function totalOf(files: readonly StickFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function differs(what: string): Fault {
  return new Fault("VERIFY_FAILED", {
    what: `The stick does not hold what was written to it: ${what} is different.`,
    why: "It returned other bytes than it was given: it is worn out, or says that it is larger than it is.",
    fix: "Take another stick.",
  });
}

function otherLength(path: string, written: number, expected: number): Fault {
  return new Fault("SOURCE_CHANGED", {
    what: `${path} changed while the stick was written. The stick starts nothing.`,
    why: `It had ${expected} bytes, and ${written} came.`,
    fix: "Start again, when nobody changes it.",
  });
}
