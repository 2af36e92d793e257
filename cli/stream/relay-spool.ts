import { createHash } from "node:crypto";
import { constants, type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Manifest } from "../../images/manifest.ts";

const PACKS_FILE = "packs";
const STREAM_FILE = "identity";
/** A spool that was not written for so long is of a relay that does not come back. */
const KEPT_MS = 7 * 86_400_000;

/**
 * The packs that a relay has fetched, in one sparse file on its disk: each at its place among all packs of the image, end
 * to end. There is no list of what is there: a pack is there when its bytes have the digest that the manifest says. So it
 * may be killed at any time, and nobody has to trust the file.
 */
export class RelaySpool {
  readonly directory: string;
  readonly #manifest: Manifest;
  readonly #starts: Float64Array;
  readonly #file: FileHandle;
  readonly #log: Logger;
  /** 1: known to be there or known not to be; reading it again is spared. */
  readonly #known: Uint8Array;
  readonly #held: Uint8Array;
  #isFull = false;
  #count = 0;
  /** Called when a pack was put in. */
  onPack: () => void = () => undefined;

  private constructor(directory: string, manifest: Manifest, file: FileHandle, log: Logger) {
    this.directory = directory;
    this.#manifest = manifest;
    this.#file = file;
    this.#log = log;
    this.#starts = new Float64Array(manifest.packs.length);
    this.#known = new Uint8Array(manifest.packs.length);
    this.#held = new Uint8Array(manifest.packs.length);
    let end = 0;
    for (const [number, { storedBytes }] of manifest.packs.entries()) {
      this.#starts[number] = end;
      end += storedBytes;
    }
  }

  /** Opens the spool in `directory`, or makes it. Those beside it that nobody used for a week are removed. */
  static async open(parent: string, name: string, manifest: Manifest, log: Logger): Promise<RelaySpool> {
    const directory = join(parent, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await sweep(parent, name);
    const path = join(directory, PACKS_FILE);
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    return new RelaySpool(directory, manifest, file, log);
  }

  /** Where the identity of this relay's own stream is kept: see identity.ts. */
  get identityPath(): string {
    return join(this.directory, STREAM_FILE);
  }

  /** Looks at all that is there. */
  async scan(): Promise<void> {
    const isEmpty = (await this.#file.stat()).size === 0;
    const { packs } = this.#manifest;
    const memory = isEmpty
      ? newMemory(0)
      : newMemory(packs.reduce((most, pack) => Math.max(most, pack.storedBytes), 0));
    for (const [number, { storedBytes }] of packs.entries()) {
      if (isEmpty) this.#known[number] = 1;
      else await this.readInto(number, memory.subarray(0, storedBytes));
    }
  }

  /** How many packs were put in since it was opened. */
  get count(): number {
    return this.#count;
  }

  /** Whether all packs are known to be there. */
  get isComplete(): boolean {
    return !this.#held.includes(0);
  }

  /** Whether a pack is known to be there. */
  holds(number: number): boolean {
    return this.#held[number] === 1;
  }

  /** The stored bytes of pack `number`; undefined when they are not there. */
  async read(number: number): Promise<Uint8Array | undefined> {
    const bytes = newMemory(this.#manifest.packs[number]!.storedBytes);
    return (await this.readInto(number, bytes)) ? bytes : undefined;
  }

  /** The same into memory that is there. False when they are not there: then nothing in `target` counts. */
  async readInto(number: number, target: Uint8Array): Promise<boolean> {
    if (this.#known[number] === 1 && this.#held[number] === 0) return false;
    const { storedBytes, digest } = this.#manifest.packs[number]!;
    const { bytesRead } = await this.#file.read(target, 0, storedBytes, this.#starts[number]!);
    const isThere = bytesRead === storedBytes && digestOf(target) === digest;
    this.#known[number] = 1;
    this.#held[number] = Number(isThere);
    return isThere;
  }

  /** Keeps a pack whose bytes were checked. A disk that is full is said once, and the pack is fetched again when needed. */
  async write(number: number, bytes: Uint8Array): Promise<void> {
    if (this.#isFull) return;
    try {
      await this.#file.write(bytes, 0, bytes.length, this.#starts[number]!);
      this.#known[number] = 1;
      this.#held[number] = 1;
      this.#count += 1;
      this.onPack();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      this.#isFull = true;
      this.#log.warn({ directory: this.directory }, "no room to keep packs: those that are needed again come again");
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** The stream has ended as it should: nobody comes back for it. */
  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

// Of its own: the pool that small buffers come from would keep it alive.
function newMemory(lengthBytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(lengthBytes);
}

export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function sweep(parent: string, own: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const found = name === own ? undefined : await stat(join(parent, name, PACKS_FILE)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > KEPT_MS)
      await rm(join(parent, name), { recursive: true, force: true });
  }
}
