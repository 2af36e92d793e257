/**
 * Something to read a disk image from: a file, a device, a decoded foreign
 * image. `images/` reads through this and never opens anything itself.
 */
export interface BlockSource {
  readonly sizeBytes: number;
  /** Reads exactly `length` bytes at `offset`; the range lies inside the source. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Reads into memory that is there already, where the source can; see `readInto`. */
  readInto?(offset: number, target: Uint8Array): Promise<void>;
}

/** Fills `target` with the bytes at `offset`. Where much is read, memory that is used again saves half of the time. */
export async function readInto(source: BlockSource, offset: number, target: Uint8Array): Promise<void> {
  if (source.readInto !== undefined) return source.readInto(offset, target);
  target.set(await source.read(offset, target.length));
}

/** Something to write a disk image to. */
export interface BlockTarget {
  readonly sizeBytes: number;
  /** Writes all of `bytes` at `offset`; the range lies inside the target. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written before survives a power cut. */
  flush(): Promise<void>;
}

/** A range of the disk in bytes; `endBytes` is the first byte behind it. */
export type ByteRange = { readonly startBytes: number; readonly endBytes: number };
