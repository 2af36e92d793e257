import { closeSync, fdatasync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../fault.ts";

const sync = promisify(fdatasync);

/**
 * The write-ahead log of a SQLite file, brought to the disk while the program goes on. SQLite itself would do it within
 * "commit", and a busy disk would stop everything for as long.
 */
export class WriteAheadLog {
  readonly #path: string;
  readonly #file: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #broken: Fault | undefined;
  #isClosed = false;

  /** @param path of the database, which is open: only then there is a log, and it is the same one until it is closed */
  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(`${path}-wal`, "r");
    // The log was made just now; without its name it would be lost.
    const directory = openSync(dirname(path), "r");
    fsyncSync(directory);
    closeSync(directory);
  }

  /** Resolves when all that was written before this call is on the disk. @throws {Fault} DATABASE_UNWRITABLE */
  async durable(): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    this.#next ??= this.#begin();
    return this.#next;
  }

  /** Before SQLite closes the database, which writes everything to the disk itself. */
  close(): void {
    this.#isClosed = true;
    // Not while the system works with it.
    void (this.#running ?? Promise.resolve()).then(noop, noop).then(() => closeSync(this.#file));
  }

  async #begin(): Promise<void> {
    await this.#running?.catch(noop);
    // Who comes from here on may have written what this one does not see.
    this.#running = this.#next;
    this.#next = undefined;
    if (this.#isClosed) return;
    try {
      await sync(this.#file);
    } catch (error) {
      // The system takes what it could not write for written afterwards: nothing of this file is sure any more.
      this.#broken = unwritable(this.#path, error as Error);
      throw this.#broken;
    }
  }
}

function noop(): void {}

function unwritable(path: string, error: Error): Fault {
  return new Fault(
    "DATABASE_UNWRITABLE",
    {
      what: `The database ${path} could not be written to the disk.`,
      why: error.message,
      fix: "Look at the disk and at its free space, and start the server again: what it answered before is kept.",
    },
    error,
  );
}
