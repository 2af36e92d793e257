/** Direct input and output goes to and from whole pages. */
export const PAGE_BYTES = 4096;

/** Memory that begins at a page; Node's own objects do not say where they begin. */
const paged = new WeakSet<SharedArrayBuffer>();

/**
 * Places in memory that begin at a page: what the kernel wants of a buffer that a disk reads or writes by itself
 * (O_DIRECT in open(2)). Memory that may grow is mapped by pages, other memory lies anywhere. All threads can use it.
 * What is given back is taken again, so there is never more of it.
 */
export class AlignedPlaces {
  readonly placeBytes: number;
  readonly memory: SharedArrayBuffer;
  readonly #free: number[];

  /** @param placeBytes of each place, at least: a place ends with a page */
  constructor(count: number, placeBytes: number) {
    this.placeBytes = Math.ceil(placeBytes / PAGE_BYTES) * PAGE_BYTES;
    const bytes = count * this.placeBytes;
    this.memory = new SharedArrayBuffer(bytes, { maxByteLength: bytes });
    paged.add(this.memory);
    this.#free = Array.from({ length: count }, (_, place) => place);
  }

  /** A place with anything in it; undefined while all are taken. */
  take(): Uint8Array | undefined {
    const place = this.#free.pop();
    return place === undefined ? undefined : new Uint8Array(this.memory, place * this.placeBytes, this.placeBytes);
  }

  /** @param place what `take` gave, or its beginning */
  give({ byteOffset }: Uint8Array): void {
    this.#free.push(byteOffset / this.placeBytes);
  }
}

/** Whether memory begins at a page, as far as anybody knows. */
export function isPaged({ buffer, byteOffset }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer && paged.has(buffer) && byteOffset % PAGE_BYTES === 0;
}
