import type { Selectable } from "kysely";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { NotifyQueueTable, NotifyTargetTable } from "../db/schema.ts";
import type { EventLog } from "../events.ts";
import { GIVE_UP_AFTER_MS, MOST_REFUSALS, pauseMs } from "./backoff.ts";
import { sendMail } from "./mail.ts";
import type { MailSettings } from "./mail-settings.ts";
import { type Message, messageOf, testMessage } from "./message.ts";
import type { Target } from "./targets.ts";
import { type Topic, topicOf } from "./topics.ts";
import { type Sender, sendWebhook, type Told } from "./webhook.ts";

type CourierOptions = {
  readonly db: Database;
  readonly events: EventLog;
  /** Undefined: no mail server is set. */
  readonly mail: MailSettings | undefined;
  readonly sender: Sender;
  readonly log: Logger;
  /** From 0 to 1. */
  readonly chance: () => number;
};

const LOOK_EVERY_MS = 5_000;
/** What happens within so long is one mail. */
const GATHER_MS = 20_000;
const MOST_IN_A_MAIL = 50;
/** A server that was killed while it told somebody: another try comes after this. */
const CLAIM_MS = 60_000;

type Waiting = Selectable<NotifyQueueTable>;
type Claimed = Selectable<NotifyTargetTable>;

/**
 * Tells everybody what waits for them, each in their order. What cannot be told is tried again, later and later, for a
 * day. A message may come twice, when the server is killed before it has written down that it was told: it then has
 * the same id.
 */
export class Courier {
  readonly #options: CourierOptions;
  readonly #atWork = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  /** Goes on for ever. @returns what ends it, also in the middle of a message, which is then sent again later */
  watch(): () => Promise<void> {
    const look = () => void this.look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    timer.unref();
    const unsubscribe = this.#options.events.subscribe((event) => {
      if (topicOf(event) !== undefined) look();
    });
    look();
    return async () => {
      clearInterval(timer);
      unsubscribe();
      this.#stopping.abort();
      await Promise.all(this.#atWork.values());
    };
  }

  /** Tells what can be told now. A target that takes long holds up nobody but itself. */
  async look(): Promise<void> {
    const { db, log } = this.#options;
    try {
      const rows = await db.selectFrom("notify_queue").select("target").distinct().execute();
      for (const { target } of rows) {
        if (this.#atWork.has(target)) continue;
        const work = this.#tellAll(target)
          .catch((error: unknown) => log.error({ err: error, target }, "a message could not be sent"))
          .finally(() => this.#atWork.delete(target));
        this.#atWork.set(target, work);
      }
    } catch (error) {
      log.error({ err: error }, "the messages that wait could not be read");
    }
    await Promise.all(this.#atWork.values());
  }

  /** Tells a target at once that this is a test. What waits for it goes out next when that works. */
  async test(target: Target): Promise<Told> {
    const { db, events, sender } = this.#options;
    const row = await db.selectFrom("notify_targets").selectAll().where("name", "=", target.name).executeTakeFirst();
    if (row === undefined) return { isTold: true };
    const told = await this.#send({ ...row, dropped: 0 }, [testMessage(`${target.name}-test-${sender.now()}`)]);
    await events.change(async ({ tables, record }) => {
      await tables
        .updateTable("notify_targets")
        .set(told.isTold ? { fault: null, failures: 0, next_try_ms: 0 } : { fault: JSON.stringify(told.fault) })
        .where("name", "=", target.name)
        .execute();
      await record({ kind: "notify.tested", data: { tested: target.name, isTold: told.isTold } });
    });
    return told;
  }

  async #tellAll(name: string): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const claimed = await this.#claim(name);
      if (claimed === undefined) return;
      const { target, waiting } = claimed;
      const messages = await this.#messagesOf(waiting);
      const [first, ...others] = messages;
      // The event is there as long as the database is; nothing to say would be our own mistake.
      const told: Told = first === undefined ? { isTold: true } : await this.#send(target, [first, ...others]);
      if (this.#stopping.signal.aborted && !told.isTold) return;
      if (!(await this.#settle(target, waiting, told))) return;
    }
  }

  /** What is to be told next to a target that nobody else tells anything at this moment. */
  async #claim(name: string): Promise<{ readonly target: Claimed; readonly waiting: readonly Waiting[] } | undefined> {
    const { db, sender } = this.#options;
    const nowMs = sender.now();
    const target = await db.selectFrom("notify_targets").selectAll().where("name", "=", name).executeTakeFirst();
    // Removed while something was added for it.
    if (target === undefined) await db.deleteFrom("notify_queue").where("target", "=", name).execute();
    if (target === undefined || target.is_paused === 1 || target.next_try_ms > nowMs) return undefined;
    const isMail = target.kind === "mail";
    const waiting = await db
      .selectFrom("notify_queue")
      .selectAll()
      .where("target", "=", name)
      .orderBy("event_id")
      .limit(isMail ? MOST_IN_A_MAIL : 1)
      .execute();
    const [oldest] = waiting;
    if (oldest === undefined || (isMail && oldest.at_ms > nowMs - GATHER_MS)) return undefined;
    const { numUpdatedRows } = await db
      .updateTable("notify_targets")
      .set({ next_try_ms: nowMs + CLAIM_MS })
      .where("name", "=", name)
      .where("next_try_ms", "=", target.next_try_ms)
      .executeTakeFirst();
    return numUpdatedRows === 1n ? { target, waiting } : undefined;
  }

  async #messagesOf(waiting: readonly Waiting[]): Promise<Message[]> {
    const { db, events } = this.#options;
    const messages: Message[] = [];
    for (const { target, event_id, topic } of waiting) {
      const [event] = await events.list({ after: event_id - 1, limit: 1 });
      if (event?.id === event_id) messages.push(await messageOf(db, target, topic as Topic, event));
    }
    return messages;
  }

  async #send(target: Claimed, messages: readonly [Message, ...Message[]]): Promise<Told> {
    const { mail, sender } = this.#options;
    const { signal } = this.#stopping;
    if (target.kind !== "mail") return sendWebhook(target, messages[0], sender, { signal });
    if (mail !== undefined) return sendMail(mail, target, messages, sender, { signal });
    return { isTold: false, isRefused: false, fault: noMailServer() };
  }

  /** Writes down what came of it. @returns whether there may be more to tell now */
  async #settle(target: Claimed, waiting: readonly Waiting[], told: Told): Promise<boolean> {
    const { events, sender, chance, log } = this.#options;
    return events.change(async ({ tables, nowMs, record }) => {
      const set = (values: object) =>
        tables.updateTable("notify_targets").set(values).where("name", "=", target.name).execute();
      const drop = async (ids: readonly number[]) => {
        if (ids.length === 0) return;
        await tables
          .deleteFrom("notify_queue")
          .where("target", "=", target.name)
          .where("event_id", "in", ids)
          .execute();
      };
      const ids = waiting.map(({ event_id }) => event_id);
      if (told.isTold) {
        await drop(ids);
        // More may have been dropped since it was told how many.
        await tables
          .updateTable("notify_targets")
          .set(({ eb }) => ({ dropped: eb("dropped", "-", target.dropped) }))
          .where("name", "=", target.name)
          .execute();
        await set({ failures: 0, next_try_ms: 0, fault: null, told_at_ms: nowMs });
        return true;
      }
      const { fault, isRefused } = told;
      log.warn({ target: target.name, fault }, "somebody could not be told");
      const failures = target.failures + 1;
      const ownPauseMs = pauseMs(failures, chance());
      const nextTryMs = sender.now() + Math.max(ownPauseMs, told.pauseMs ?? 0);
      await set({ failures, next_try_ms: nextTryMs, fault: JSON.stringify(fault) });
      if (isRefused) {
        await tables
          .updateTable("notify_queue")
          .set(({ eb }) => ({ refusals: eb("refusals", "+", 1) }))
          .where("target", "=", target.name)
          .where("event_id", "in", ids)
          .execute();
      }
      const given = waiting.filter(
        ({ refusals, at_ms }) => refusals + (isRefused ? 1 : 0) >= MOST_REFUSALS || at_ms < nowMs - GIVE_UP_AFTER_MS,
      );
      await drop(given.map(({ event_id }) => event_id));
      if (given.length > 0) {
        const why = `${fault.what} ${fault.why}`;
        await record({ kind: "notify.given-up", data: { target: target.name, count: given.length, why } });
      }
      return false;
    });
  }
}

function noMailServer(): Fault {
  return new Fault("MAIL_MISSING", {
    what: "No mail server is set.",
    why: "mail.server is not in the configuration any more.",
    fix: "Set mail.server and mail.from in bootcast.toml, and: sudo systemctl reload bootcast",
  });
}
