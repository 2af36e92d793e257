import type { TestContext } from "node:test";
import { Courier } from "../../../server/notify/courier.ts";
import type { MailSettings } from "../../../server/notify/mail-settings.ts";
import { addToQueues } from "../../../server/notify/outbox.ts";
import { type NewTarget, Targets } from "../../../server/notify/targets.ts";
import { topics } from "../../../server/notify/topics.ts";
import { Core, machine } from "../core.ts";

export const MOST_WAITING = 10;

/** A server that tells people what happens, with a clock that is moved by hand. */
export async function noticeSite(t: TestContext, mail?: MailSettings) {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const { db, events, log } = core;
  events.onRecord((tables, event) => addToQueues(tables, event, MOST_WAITING));
  const targets = new Targets({ db, events, hasMail: mail !== undefined });
  const sender = { server: "lab-server", version: "1.0", now: () => core.nowMs };
  const start = () => new Courier({ db, events, mail, sender, log, chance: () => 0 });
  const add = (more: Pick<NewTarget, "address"> & Partial<NewTarget>) =>
    targets.add({ name: "chat", kind: "webhook", topics, madeBy: "mueller", ...more });
  /** One thing that everybody is told of. */
  const happen = (number: number) => core.hosts.register(machine(number));
  return { core, targets, start, add, happen };
}
