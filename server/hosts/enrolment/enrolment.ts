import { randomBytes } from "node:crypto";
import type { Database } from "../../db/database.ts";
import type { Change, EventLog } from "../../events.ts";
import { type EnrolmentSecret, machineToken, type ShownToken, shownTokenOf, siteToken } from "./token.ts";
import { WrongTokens } from "./wrong-tokens.ts";

/** For so long the tokens of before a renewal are good, unless it says otherwise: sticks are made anew meanwhile. */
export const OLD_TOKENS_MS = 7 * 86_400_000;

const RENEWED = "enrolment.renewed";

/** What may be told of the site's tokens to whoever may see them. */
export type EnrolmentState = {
  /** The one for boot sticks and other machines that the server does not know. */
  readonly token: string;
  readonly madeAtMs: number;
  /** Until when tokens of before are good; null: none is. */
  readonly oldUntilMs: number | null;
};

type Stored = EnrolmentSecret & { readonly id: number; readonly madeAtMs: number };

/**
 * The site's enrolment tokens: boot texts hand them out, machines show them when they register. What they are made of
 * is in the database, for all servers of the site; it is in no log, no event and no backup of the settings.
 */
export class Enrolment {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #now: () => number;
  readonly #wrong = new WrongTokens();
  #read: Promise<readonly Stored[]> | undefined;

  constructor(options: { db: Database; events: EventLog; now: () => number }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#now = options.now;
    options.events.subscribe(({ kind }) => {
      if (kind === RENEWED) this.#read = undefined;
    });
  }

  /** For the kernel's command line of the machine with this address. */
  async tokenFor(mac: string): Promise<string> {
    return machineToken((await this.#today()).secret, mac);
  }

  async state(): Promise<EnrolmentState> {
    const nowMs = this.#now();
    const { secret, madeAtMs } = await this.#today();
    const ends = (await this.#secrets()).flatMap(({ untilMs }) => (untilMs !== null && untilMs > nowMs ? untilMs : []));
    return { token: siteToken(secret), madeAtMs, oldUntilMs: ends.length === 0 ? null : Math.max(...ends) };
  }

  /**
   * What a machine showed. An event tells of a wrong one, not of what it was.
   *
   * @param about.address where it spoke from
   */
  async check(
    shown: string | undefined,
    { mac, address = "" }: { readonly mac: string; readonly address?: string | undefined },
  ): Promise<ShownToken> {
    if (shown === undefined || shown === "") return "none";
    const nowMs = this.#now();
    // What is not looked at is no further wrong one: right ones of a whole room would keep each other out for ever.
    if (!this.#wrong.isListenedTo(address, nowMs)) return "wrong";
    const found = shownTokenOf(shown, { mac, secrets: await this.#secrets(), nowMs });
    if (found === "wrong" && this.#wrong.wrong(address, nowMs)) {
      // Whether it can be written is no matter of the machine's.
      const data = { mac, from: address };
      await this.#events.change(({ record }) => record({ kind: "enrolment.wrong", data })).catch(() => undefined);
    }
    return found;
  }

  /** New tokens from now on. @param keepMs how long those of today are good besides */
  async renew(keepMs: number): Promise<EnrolmentState> {
    await this.#today();
    await this.#events.change(async (change) => {
      const untilMs = Math.round(change.nowMs + keepMs);
      const { tables, nowMs } = change;
      await tables.deleteFrom("enrolment").where("until_ms", "<=", nowMs).execute();
      await tables.updateTable("enrolment").set({ until_ms: untilMs }).where("until_ms", "is", null).execute();
      // Whoever wants less has a reason: that holds for what is older, too.
      await tables.updateTable("enrolment").set({ until_ms: untilMs }).where("until_ms", ">", untilMs).execute();
      await make(change);
      await change.record({ kind: RENEWED, data: { oldUntilMs: untilMs } });
    });
    this.#read = undefined;
    return this.state();
  }

  async #today(): Promise<Stored> {
    const found = (await this.#secrets()).find(({ untilMs }) => untilMs === null);
    if (found !== undefined) return found;
    await this.#events.change(async (change) => {
      const there = await change.tables.selectFrom("enrolment").select("id").where("until_ms", "is", null).execute();
      if (there.length === 0) await make(change);
    });
    this.#read = undefined;
    return (await this.#secrets()).find(({ untilMs }) => untilMs === null)!;
  }

  /** A room that starts asks for them hundreds of times. */
  #secrets(): Promise<readonly Stored[]> {
    if (this.#read !== undefined) return this.#read;
    const reading = this.#db
      .selectFrom("enrolment")
      .selectAll()
      .orderBy("id", "desc")
      .execute()
      .then((rows) =>
        rows.map(({ id, secret, made_at_ms: madeAtMs, until_ms: untilMs }) => ({ id, secret, madeAtMs, untilMs })),
      );
    this.#read = reading;
    // A failure is the asker's; the next one tries again.
    reading.catch(() => {
      if (this.#read === reading) this.#read = undefined;
    });
    return reading;
  }
}

/** Two servers that make the first one at the same moment make one: the second one's number is taken. */
async function make({ tables, nowMs }: Change): Promise<void> {
  const last = await tables.selectFrom("enrolment").select("id").orderBy("id", "desc").limit(1).executeTakeFirst();
  await tables
    .insertInto("enrolment")
    .values({
      id: (last?.id ?? 0) + 1,
      secret: randomBytes(32).toString("base64url"),
      made_at_ms: nowMs,
      until_ms: null,
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}
