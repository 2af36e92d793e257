import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../fault.ts";

const TRY_EVERY_MS = 20;
const SQLITE_BUSY = 5;

/** While this is held, no other process publishes or removes anything of the store. */
export type StoreGuard = Disposable;

/**
 * The store's one writer lock: held while what images there are changes, or packs
 * go. Reading needs none, and neither does adding packs.
 *
 * @param waitMs how long another holder is waited for
 * @throws {Fault} STORE_BUSY
 */
export function guardStore(directory: string, waitMs = 60_000): Promise<StoreGuard> {
  return guardFile(join(directory, "lock"), waitMs, (cause) => busy(directory, waitMs, cause));
}

/**
 * Holds a lock between processes: SQLite's on an empty file of this name, which is made and stays. The kernel gives it
 * back when its holder is killed, and two connections of one process count as two.
 *
 * @param waitMs how long another holder is waited for
 * @param busyFault what is thrown then
 */
export async function guardFile(
  path: string,
  waitMs: number,
  busyFault: (cause: unknown) => Fault,
): Promise<Disposable> {
  const giveUpAt = performance.now() + waitMs;
  const connection = new DatabaseSync(path, { timeout: 0 });
  for (;;) {
    try {
      connection.exec("begin exclusive");
      return { [Symbol.dispose]: () => connection.close() };
    } catch (error) {
      const isBusy = ((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY;
      if (!isBusy || performance.now() > giveUpAt) {
        connection.close();
        throw isBusy ? busyFault(error) : error;
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
