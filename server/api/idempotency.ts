import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Fault } from "../../fault.ts";
import type { Actor } from "../access/actor.ts";
import type { Database } from "../db/database.ts";
import type { HttpServer } from "../http/http.ts";

/** For so long the same request is not done a second time. */
const KEPT_MS = 24 * 3_600_000;
/** A request that has no answer after this time never gets one: its server was killed. */
const LONGEST_REQUEST_MS = 60_000;
const readingMethods = ["GET", "HEAD", "OPTIONS"];

declare module "fastify" {
  interface FastifyContextConfig {
    /** Its answer holds a secret, which is not kept for a request that is sent again. */
    isSecret?: boolean;
    /** Its body holds a password, of which nothing is kept, not even a digest: a key makes no difference there. */
    hasPassword?: boolean;
  }
  interface FastifyRequest {
    idempotency: { readonly key: string; readonly actor: string } | undefined;
    /** Runs in the transaction of what the request changes. */
    inChange: Actor["inChange"] | undefined;
  }
}

/**
 * A change that is sent with an `idempotency-key` header is made once. Sent again it gets the first one's answer; when
 * the server was killed in between, it is told whether the change was made. To be added before the hook that runs
 * requests as their callers.
 */
export function idempotencyKeys(
  http: HttpServer,
  { db, now }: { readonly db: Database; readonly now: () => number },
): void {
  http.decorateRequest("idempotency", undefined);
  http.decorateRequest("inChange", undefined);

  http.addHook("preHandler", async (request, reply) => {
    const { caller, headers, method } = request;
    const key = headers["idempotency-key"];
    if (key === undefined || caller === undefined || readingMethods.includes(method)) return undefined;
    if (request.routeOptions.config.hasPassword === true) return undefined;
    if (typeof key !== "string" || !/^[\x21-\x7e]{1,200}$/.test(key)) throw invalidKey();
    const own = { key, actor: caller.name };
    const before = await begin(own, fingerprintOf(request));
    if (before !== undefined) return replay(reply, before);
    request.idempotency = own;
    request.inChange = async (tables) => {
      await tables
        .updateTable("repeats")
        .set({ is_changed: 1 })
        .where("key", "=", key)
        .where("actor", "=", own.actor)
        .execute();
    };
    return undefined;
  });

  http.addHook("onSend", async (request, reply, payload) => {
    const own = request.idempotency;
    if (own === undefined) return payload;
    const row = db.selectFrom("repeats").select("is_changed").where("key", "=", own.key).where("actor", "=", own.actor);
    const isChanged = (await row.executeTakeFirst())?.is_changed === 1;
    if (reply.statusCode >= 400 && !isChanged) {
      // Nothing was done: it may be tried again.
      await db.deleteFrom("repeats").where("key", "=", own.key).where("actor", "=", own.actor).execute();
    } else {
      const body = typeof payload === "string" && request.routeOptions.config.isSecret !== true ? payload : null;
      await db
        .updateTable("repeats")
        .set({ status: reply.statusCode, body })
        .where("key", "=", own.key)
        .where("actor", "=", own.actor)
        .execute();
    }
    return payload;
  });

  /** @returns the answer that there was; undefined: it is to be done now */
  async function begin(own: { key: string; actor: string }, fingerprint: string): Promise<Answered | undefined> {
    const nowMs = now();
    await db
      .deleteFrom("repeats")
      .where("at_ms", "<", nowMs - KEPT_MS)
      .execute();
    const { numInsertedOrUpdatedRows } = await db
      .insertInto("repeats")
      .values({ ...own, fingerprint, at_ms: nowMs, status: null, body: null, is_changed: 0 })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 0n) return undefined;
    const row = await db
      .selectFrom("repeats")
      .selectAll()
      .where("key", "=", own.key)
      .where("actor", "=", own.actor)
      .executeTakeFirst();
    if (row === undefined || row.fingerprint !== fingerprint) throw otherRequest();
    if (row.status !== null && row.body !== null) return { status: row.status, body: row.body };
    if (row.status !== null || row.is_changed === 1) throw answerLost();
    const { numUpdatedRows } = await db
      .updateTable("repeats")
      .set({ at_ms: nowMs })
      .where("key", "=", own.key)
      .where("actor", "=", own.actor)
      .where("at_ms", "=", row.at_ms)
      .where("at_ms", "<=", nowMs - LONGEST_REQUEST_MS)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw underWay();
    return undefined;
  }
}

type Answered = { readonly status: number; readonly body: string };

function replay(reply: FastifyReply, { status, body }: Answered): FastifyReply {
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .header("idempotency-replayed", "true")
    .serializer((sent: unknown) => sent as string)
    .send(body);
}

function fingerprintOf({ method, url, body }: FastifyRequest): string {
  return createHash("sha256")
    .update(JSON.stringify([method, url, body ?? null]))
    .digest("hex");
}

function invalidKey(): Fault {
  return new Fault("IDEMPOTENCY_KEY_INVALID", {
    what: "The idempotency key cannot be used.",
    why: "It has up to 200 letters, digits and signs, and no spaces.",
    fix: "Take a new UUID for each change.",
  });
}

function otherRequest(): Fault {
  return new Fault("IDEMPOTENCY_KEY_TAKEN", {
    what: "This idempotency key was sent with another request.",
    why: "A key stands for one change.",
    fix: "Take a new one for each change.",
  });
}

function underWay(): Fault {
  return new Fault("REQUEST_BUSY", {
    what: "The same request is being carried out.",
    why: "It was sent before, and it has no answer yet.",
    fix: "Send it again in a minute: then it gets the answer of the first one.",
  });
}

function answerLost(): Fault {
  return new Fault("ANSWER_ENDED", {
    what: "This was done already, and is not done again.",
    why: "Its answer is not there any more: the server was stopped before it was sent, or it held a secret.",
    fix: "Look at what there is now, and take a new idempotency key for another change.",
  });
}
