import { open } from "node:fs/promises";
import type { BlockSource } from "../../images/block.ts";

/** A file as a disk of this size, opened for reading: what it lacks reads as zero, what it has more is left out. */
export async function openPaddedFile(
  path: string,
  sizeBytes: number,
): Promise<BlockSource & { close(): Promise<void> }> {
  const handle = await open(path, "r");
  const readInto = async (offset: number, target: Uint8Array) => {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    target.fill(0, done);
  };
  return {
    sizeBytes,
    readInto,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
    close: () => handle.close(),
  };
}
