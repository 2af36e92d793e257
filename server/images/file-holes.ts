import { closeSync, fstatSync, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { ForeignRange } from "../../images/foreign-image.ts";

type Seek = (descriptor: number, offset: number, whence: number) => number;

// lseek(2), Linux.
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * The holes of a sparse file, which read as zeros and need not be read: a disk
 * of a virtual machine is mostly one.
 *
 * @returns undefined for a device, and where the optional package `koffi` is missing: Node itself cannot ask for holes
 */
export async function holesOf(path: string): Promise<(() => Generator<ForeignRange>) | undefined> {
  if (process.platform !== "linux" || !(await stat(path)).isFile()) return undefined;
  const koffi = await import("koffi").then(
    (module) => module.default,
    () => undefined,
  );
  if (koffi === undefined) return undefined;
  const seek = koffi.load(null).func("int64_t lseek(int fd, int64_t offset, int whence)") as Seek;
  return () => rangesOf(path, seek);
}

function* rangesOf(path: string, seek: Seek): Generator<ForeignRange> {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    for (let at = 0; at < size; ) {
      // Minus one says that there is no data behind `at`.
      const data = seek(descriptor, at, SEEK_DATA);
      const dataAt = data < 0 || data > size ? size : data;
      if (dataAt > at) yield { startBytes: at, endBytes: dataAt, state: "zero" };
      if (dataAt === size) return;
      const hole = seek(descriptor, dataAt, SEEK_HOLE);
      const holeAt = hole <= dataAt || hole > size ? size : hole;
      yield { startBytes: dataAt, endBytes: holeAt, state: "data" };
      at = holeAt;
    }
  } finally {
    closeSync(descriptor);
  }
}
