import type { Transaction } from "kysely";
import type { Tables } from "../db/schema.ts";
import type { StoredEvent } from "../events.ts";
import { topicOf } from "./topics.ts";

/** So many messages wait for one target; what comes then is counted, and the target is told how many it missed. */
const MOST_WAITING = 500;

/**
 * Puts an event into the queues of those who are told of it, in the transaction that writes it down: what happened is
 * told, also when the server is killed in the next moment; and what was undone is told to nobody.
 */
export async function addToQueues(
  tables: Transaction<Tables>,
  event: StoredEvent,
  mostWaiting: number = MOST_WAITING,
): Promise<void> {
  const topic = topicOf(event);
  if (topic === undefined) return;
  const targets = await tables
    .selectFrom("notify_targets")
    .select(["name", "topics"])
    .where("is_paused", "=", 0)
    .orderBy("name")
    .execute();
  for (const target of targets) {
    if (!(JSON.parse(target.topics) as string[]).includes(topic)) continue;
    // Who cannot be told is not told that of itself.
    if (event.data["target"] === target.name) continue;
    const { waiting } = await tables
      .selectFrom("notify_queue")
      .select(({ fn }) => fn.countAll().as("waiting"))
      .where("target", "=", target.name)
      .executeTakeFirstOrThrow();
    if (Number(waiting) >= mostWaiting) {
      await tables
        .updateTable("notify_targets")
        .set(({ eb }) => ({ dropped: eb("dropped", "+", 1) }))
        .where("name", "=", target.name)
        .execute();
      continue;
    }
    await tables
      .insertInto("notify_queue")
      .values({ target: target.name, event_id: event.id, topic, at_ms: event.atMs, refusals: 0 })
      .execute();
  }
}
