import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../fault.ts";

const TRY_EVERY_MS = 20;
const SQLITE_BUSY = 5;

/** While this is held, no other process publishes or removes anything of the store. */
export type StoreGuard = Disposable;

/**
 * The store's one writer lock: held while what images there are changes, or packs
 * go. Reading needs none, and neither does adding packs.
 *
 * It is SQLite's lock on the file `lock`, whatever is in it: the kernel gives it
 * back when its holder is killed, and two connections of one process count as two.
 *
 * @param waitMs how long another holder is waited for
 * @throws {Fault} STORE_BUSY
 */
export async function guardStore(directory: string, waitMs = 60_000): Promise<StoreGuard> {
  const giveUpAt = performance.now() + waitMs;
  const connection = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
  for (;;) {
    try {
      connection.exec("begin exclusive");
      return { [Symbol.dispose]: () => connection.close() };
    } catch (error) {
      const isBusy = ((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY;
      if (!isBusy || performance.now() > giveUpAt) {
        connection.close();
        throw isBusy ? busy(directory, waitMs, error) : error;
      }
    }
    await sleep(TRY_EVERY_MS);
  }
}

function busy(directory: string, waitMs: number, cause: unknown): Fault {
  return new Fault(
    "STORE_BUSY",
    {
      what: `The image store ${directory} could not be changed.`,
      why: `Another process publishes or removes images there, for more than ${Math.round(waitMs / 1000)} s now.`,
      fix: "Wait until it is done, and repeat.",
    },
    cause,
  );
}
