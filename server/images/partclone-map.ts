import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import { Fault } from "../../fault.ts";
import type { ByteRange } from "../../images/block.ts";
import { freeRangesOf } from "../../images/free-space/bitmap.ts";
import type { FreeSpace } from "../../images/free-space/volume.ts";
import { type PartcloneHeader, readPartcloneHeader } from "../../images/partclone-header.ts";
import { runChild } from "./child.ts";

/** File systems whose free space is read through partclone; the others are read by images/free-space. */
const programs: Readonly<Record<string, string>> = {
  btrfs: "partclone.btrfs",
  apfs: "partclone.apfs",
  f2fs: "partclone.f2fs",
};

/** Reading the trees of a large file system from a slow disk. */
const DEADLINE_MS = 300_000;
const LOOP_DEADLINE_MS = 15_000;
const HEADER_BYTES = 110;
/** `readPartcloneHeader` looks at so many bytes, of which version 2 has only the first. */
const PROBE_BYTES = 4160;
const MOST_MESSAGE_CHARACTERS = 300;

/**
 * For `findUnusedCells`: the free space of a file system by its partclone
 * program, which is stopped as soon as it has told what is used.
 *
 * @param path the raw disk image or device that is imaged; undefined when it is of another format,
 *   which these programs cannot open
 * @returns undefined when the file system is none of these
 */
export function partcloneMaps(path: string | undefined, sizeBytes: number, signal?: AbortSignal) {
  return async (fileSystem: string, range: ByteRange): Promise<FreeSpace | undefined> => {
    const program = programs[fileSystem];
    if (program === undefined) return undefined;
    if (path === undefined) return unknown(`its map is read through ${program}, which opens only raw disk images`);
    try {
      const device = await openRange(path, sizeBytes, range);
      if (device === undefined)
        return unknown(`its map is read through ${program}, and showing a partition to it needs root`);
      try {
        return await readMap(program, device.path, range, signal);
      } finally {
        await device.close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        return unknown(`its map is read through ${program}, which is not installed (Debian: partclone)`);
      if (error instanceof Fault) return unknown(`${program} failed: ${error.why}`);
      throw error;
    }
  };
}

type Opened = { readonly path: string; readonly close: () => Promise<void> };

/** A path at which another program sees only this part of a disk; undefined when that needs root. */
async function openRange(path: string, sizeBytes: number, range: ByteRange): Promise<Opened | undefined> {
  const nothing = async () => undefined;
  if (range.startBytes === 0 && range.endBytes === sizeBytes) return { path, close: nothing };
  if ((await stat(path)).isBlockDevice()) {
    const partition = await partitionAt(basename(path), range);
    return partition === undefined ? undefined : { path: partition, close: nothing };
  }
  const place = ["--offset", String(range.startBytes), "--sizelimit", String(range.endBytes - range.startBytes)];
  const made = await runChild("losetup", ["--find", "--show", "--read-only", ...place, path], {
    deadlineMs: LOOP_DEADLINE_MS,
  });
  if (made.exitCode !== 0) return undefined;
  const device = made.stdout.trim();
  const close = async () => {
    await runChild("losetup", ["--detach", device], { deadlineMs: LOOP_DEADLINE_MS });
  };
  return { path: device, close };
}

/** The kernel's device of a partition, by where it lies. */
async function partitionAt(disk: string, { startBytes, endBytes }: ByteRange): Promise<string | undefined> {
  const folder = join("/sys/class/block", disk);
  for (const name of await readdir(folder).catch(() => [])) {
    // In units of 512 bytes whatever the sector is.
    const number = async (file: string) => Number(await readFile(join(folder, name, file), "utf8")) * 512;
    const [start, size] = await Promise.all([number("start"), number("size")]).catch(() => []);
    if (start === startBytes && size === endBytes - startBytes) return join("/dev", name);
  }
  return undefined;
}

async function readMap(
  program: string,
  path: string,
  { startBytes, endBytes }: ByteRange,
  signal: AbortSignal | undefined,
): Promise<FreeSpace> {
  const child = spawn(program, ["-c", "-s", path, "-o", "-", "-L", "/dev/null"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8", TERM: "dumb" },
    ...(signal && { signal }),
  });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch(() => {});
  const isOver = new Promise((resolve) => child.once("close", resolve));
  let message = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    message = (message + text).slice(-MOST_MESSAGE_CHARACTERS);
  });
  const deadline = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  try {
    const { header, bits } = await Promise.race([readHeaderAndBitmap(child, isOver, () => message), failed]);
    if (header.blocks * header.blockBytes > endBytes - startBytes)
      return unknown(`${program} says it is larger than its partition`);
    const shape = { startBytes, blockBytes: header.blockBytes, blocks: header.blocks };
    return { state: "known", ranges: freeRangesOf(oncePiece(bits), shape) };
  } finally {
    clearTimeout(deadline);
    child.kill("SIGKILL");
    child.stdout.destroy();
  }
}

async function readHeaderAndBitmap(
  child: ChildProcess,
  isOver: Promise<unknown>,
  message: () => string,
): Promise<{ readonly header: PartcloneHeader; readonly bits: Uint8Array }> {
  let header: PartcloneHeader | undefined;
  let chunks: Buffer[] = [];
  let length = 0;
  let needed = HEADER_BYTES;
  for await (const chunk of child.stdout!) {
    chunks.push(chunk);
    length += chunk.length;
    if (length < needed) continue;
    const bytes = Buffer.concat(chunks);
    chunks = [bytes];
    if (header === undefined) {
      header = await readPartcloneHeader(frontOf(bytes));
      needed = header.bitmapOffset + header.bitmapBytes + 4;
      if (length < needed) continue;
    }
    const bits = bytes.subarray(header.bitmapOffset, header.bitmapOffset + header.bitmapBytes);
    const isSound =
      header.version === 2 && ~crc32(bits) >>> 0 === bytes.readUInt32LE(header.bitmapOffset + bits.length);
    if (!isSound) throw ended("Its map has another checksum than it says.");
    return { header, bits };
  }
  // Its last words may still be on the way.
  await isOver;
  throw ended(message().trim().split("\n").at(-1) || "It ended without a word.");
}

/** The front of an image of which the rest is not asked for. */
function frontOf(bytes: Buffer) {
  const front = Buffer.alloc(PROBE_BYTES);
  bytes.copy(front);
  return {
    sizeBytes: Number.MAX_SAFE_INTEGER,
    read: async (at: number, length: number) => front.subarray(at, at + length),
  };
}

async function* oncePiece(bits: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bits;
}

function unknown(reason: string): FreeSpace {
  return { state: "unknown", reason };
}

function ended(why: string): Fault {
  return new Fault("PARTCLONE_MAP", {
    what: "partclone did not say what is used.",
    why,
    fix: "Check the file system with its own program.",
  });
}
