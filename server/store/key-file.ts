import { randomBytes, randomUUID } from "node:crypto";
import { chown, link, mkdir, open, readFile, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { Fault } from "../../fault.ts";
import { STORE_KEY_BYTES, type StoreKey, storeKeyOf } from "../../images/sealed-pack.ts";
import { isMissing, syncDirectory } from "./files.ts";
import { guardFile } from "./guard.ts";

const LOCK_WAIT_MS = 10_000;

/**
 * The keys of a sealed store, in a file that is not in the store, mode 0600:
 *
 *     # comment
 *     bootcast-store-key-1 <32 bytes, base64>
 *
 * The first line is the newest key. Those before it stay below, because copies of
 * the store that were made in their time are sealed with them.
 */
export class StoreKeyFile {
  readonly path: string;
  readonly #storeDirectory: string;
  readonly #known = new Map<string, StoreKey>();

  /**
   * @param storeDirectory the store that the keys are for
   * @throws {Fault} STORE_KEY_PLACE when the file would lie in the store itself
   */
  constructor(path: string, storeDirectory: string) {
    this.path = resolve(path);
    this.#storeDirectory = resolve(storeDirectory);
    if (this.path.startsWith(this.#storeDirectory + sep)) throw keyInStore(this.path, this.#storeDirectory);
  }

  /**
   * All keys, the newest first; none when there is no such file.
   *
   * @throws {Fault} STORE_KEY_INVALID, KEY_EXPOSED
   */
  async keys(): Promise<StoreKey[]> {
    const text = await this.#read();
    return text === undefined ? [] : secretsOf(text, this.path).map(storeKeyOf);
  }

  /** The key with this id. The file is read again when it is not known yet: it may have come meanwhile. */
  async find(id: string): Promise<StoreKey | undefined> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    for (const key of await this.keys()) this.#known.set(key.id, key);
    return this.#known.get(id);
  }

  /**
   * Makes the file with one key. One that is there stays as it is.
   *
   * @throws {Fault} STORE_KEY_PLACE when a link leads into the store
   */
  async make(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const folder = await realpath(dirname(this.path));
    const store = await realpath(this.#storeDirectory).catch(() => this.#storeDirectory);
    if (`${folder}${sep}`.startsWith(store + sep)) throw keyInStore(this.path, store);
    const temporary = await this.#writeBeside(this.path, textOf([randomBytes(STORE_KEY_BYTES)]));
    try {
      // Unlike rename, link never replaces: a key that is gone takes all packs with it.
      await link(temporary, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      await unlink(temporary);
    }
    await syncDirectory(dirname(this.path));
  }

  /**
   * Adds a new key before those that are there, unless another one has come before `id`: that is then the new one, as
   * of two who want one at the same time. A link stays one, and the file keeps its owner.
   *
   * @returns the newest key
   * @throws {Fault} STORE_KEY_INVALID, KEY_EXPOSED, STORE_KEY_BUSY
   */
  async addKeyAfter(id: string): Promise<StoreKey> {
    const path = await realpath(this.path);
    // Who reads, adds and writes while another does the same would lose a key that packs are sealed with already.
    using _ = await guardFile(`${path}.lock`, LOCK_WAIT_MS, (cause) => busy(path, cause));
    const secrets = secretsOf((await this.#read()) ?? "", this.path);
    const newest = storeKeyOf(secrets[0]!);
    if (newest.id !== id) return newest;
    const secret = randomBytes(STORE_KEY_BYTES);
    const { uid, gid } = await stat(path);
    const temporary = await this.#writeBeside(path, textOf([secret, ...secrets]));
    try {
      await chown(temporary, uid, gid);
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary);
      throw error;
    }
    await syncDirectory(dirname(path));
    return storeKeyOf(secret);
  }

  async #read(): Promise<string | undefined> {
    try {
      const { mode } = await stat(this.path);
      if ((mode & 0o077) !== 0) throw exposed(this.path, mode);
      return await readFile(this.path, "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #writeBeside(path: string, text: string): Promise<string> {
    const temporary = `${path}.${randomUUID()}.temp`;
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return temporary;
  }
}

const COMMENT = `# The keys of a bootcast image store, the newest first. Who has them can read its packs; without them nobody can,
# and no one can make them again: keep a copy in a safe place that is not the store's disk.
`;
const WORD = "bootcast-store-key-1";

function textOf(secrets: readonly Uint8Array[]): string {
  return COMMENT + secrets.map((secret) => `${WORD} ${Buffer.from(secret).toString("base64")}\n`).join("");
}

function secretsOf(text: string, path: string): Uint8Array[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw invalid(path, "There is no key in it.");
  return lines.map((line) => {
    const [, base64] = /^bootcast-store-key-1 ([A-Za-z0-9+/]{43}=)\s*$/.exec(line) ?? [];
    if (base64 === undefined) throw invalid(path, `A line of it is not "${WORD}" and 32 bytes in base64.`);
    return Buffer.from(base64, "base64");
  });
}

function invalid(path: string, why: string): Fault {
  return new Fault("STORE_KEY_INVALID", {
    what: `The store's key file ${path} cannot be used.`,
    why,
    fix: "Put it back from the copy that was kept, or give the right file.",
  });
}

function exposed(path: string, mode: number): Fault {
  return new Fault("KEY_EXPOSED", {
    what: `Other users may read the store's key ${path}.`,
    why: `Its mode is ${(mode & 0o777).toString(8)}. Who has it can read every image of the store.`,
    fix: `chmod 600 ${path}`,
  });
}

function busy(path: string, cause: unknown): Fault {
  return new Fault(
    "STORE_KEY_BUSY",
    {
      what: `The store's key file ${path} was not changed.`,
      why: `Another process changes it, for more than ${LOCK_WAIT_MS / 1000} s now.`,
      fix: "Wait until it is done, and repeat.",
    },
    cause,
  );
}

function keyInStore(path: string, storeDirectory: string): Fault {
  return new Fault("STORE_KEY_PLACE", {
    what: `The store's key cannot be ${path}.`,
    why: `It would lie in the store that it seals, ${storeDirectory}: who takes the one has the other.`,
    fix: "Give a path on another disk, or at least outside of the store.",
  });
}
