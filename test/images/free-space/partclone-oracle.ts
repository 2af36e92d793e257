import { execFileSync } from "node:child_process";
import type { ByteRange } from "../../../images/block.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../../images/file-system.ts";
import { readFreeSpace } from "../../../images/free-space/read.ts";
import { Volume } from "../../../images/free-space/volume.ts";
import { bytesOfRun, PartcloneBitmap } from "../../../images/partclone-bitmap.ts";
import { PARTCLONE_MAGIC, readPartcloneHeader } from "../../../images/partclone-header.ts";
import { env } from "./made-volumes.ts";
import { CountedFile } from "./used-only.ts";

/** The free bytes of a volume as its partclone sees them: an independent reader. Its map comes first; the rest is not waited for. */
export async function freeByPartclone(program: string, image: string): Promise<ByteRange[]> {
  const script = 'exec "$0" -c -s "$1" -o - -L /dev/null 2>/dev/null | head -c 1000000';
  const stdout = execFileSync("sh", ["-c", script, program, image], { env, maxBuffer: 2_000_000 });
  // partclone.exfat talks before it begins.
  const begin = stdout.indexOf(PARTCLONE_MAGIC);
  const front = Buffer.concat([stdout.subarray(begin), Buffer.alloc(8192)]);
  const header = await readPartcloneHeader({
    sizeBytes: Number.MAX_SAFE_INTEGER,
    read: async (at, length) => front.subarray(at, at + length),
  });
  const bits = front.subarray(header.bitmapOffset, header.bitmapOffset + header.bitmapBytes);
  const free = new PartcloneBitmap(bits, header.blocks).runs();
  return [...free].filter(({ isUsed }) => !isUsed).map((one) => bytesOfRun(one, header.blockBytes));
}

/** The free bytes of a volume as our reader sees them. */
export async function freeByUs(image: string): Promise<ByteRange[]> {
  const source = new CountedFile(image);
  try {
    const probe = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
    const free = await readFreeSpace(fileSystemOf(probe), new Volume(source, 0, source.sizeBytes));
    if (free.state !== "known") throw new Error(JSON.stringify(free));
    const ranges: ByteRange[] = [];
    for await (const range of free.ranges) ranges.push(range);
    return ranges;
  } finally {
    source.close();
  }
}

export function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
}

/** What is in both of two ascending lists. */
export function common(a: readonly ByteRange[], b: readonly ByteRange[]): ByteRange[] {
  const both: ByteRange[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const startBytes = Math.max(a[i]!.startBytes, b[j]!.startBytes);
    const endBytes = Math.min(a[i]!.endBytes, b[j]!.endBytes);
    if (startBytes < endBytes) both.push({ startBytes, endBytes });
    if (a[i]!.endBytes < b[j]!.endBytes) i += 1;
    else j += 1;
  }
  return both;
}
