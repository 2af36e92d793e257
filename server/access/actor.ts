import { AsyncLocalStorage } from "node:async_hooks";
import type { Transaction } from "kysely";
import type { Tables } from "../db/schema.ts";

/** Who makes the changes that are made now. */
export type Actor = {
  /** As the audit log shows it: "mueller", "token ci", "root on this machine". */
  readonly name: string;
  /** Called inside the transaction of each change that is made for them. */
  inChange?(tables: Transaction<Tables>): Promise<void>;
};

const acting = new AsyncLocalStorage<Actor>();

/** Runs `work`; every event of every change that it makes, and of what it waits for, names this actor. */
export function actingAs<T>(actor: Actor, work: () => T): T {
  return acting.run(actor, work);
}

/** Undefined: the server itself, or a host. */
export function currentActor(): Actor | undefined {
  return acting.getStore();
}
