import { type Static, Type } from "typebox";
import { oneOf } from "../disk/disk.ts";
import { Servers } from "./host.ts";
import { State } from "./states.ts";

/** How a script ended. */
export const ScriptResult = Type.Object({
  name: Type.String({ maxLength: 100 }),
  ended: oneOf(["exited", "timed out", "stopped"]),
  /** Its exit code; null: a signal ended it. */
  code: Type.Union([Type.Number(), Type.Null()]),
  seconds: Type.Number(),
  /** The end of what it said, stdout and stderr as they came. */
  output: Type.String({ maxLength: 64 * 1024 }),
});
export type ScriptResult = Static<typeof ScriptResult>;

export const FaultBody = Type.Object({
  code: Type.String(),
  what: Type.String(),
  why: Type.String(),
  fix: Type.String(),
});

/** What an agent sends of its log is no longer. */
export const MOST_LOG_LETTERS = 24 * 1024;

/** Sent at every change of state and at most once a second while `percent` changes. */
export const Report = Type.Object({
  state: State,
  /** The order this belongs to; absent before there is one. */
  deployId: Type.Optional(Type.String()),
  /** What is being done or waited for, one sentence. */
  detail: Type.String(),
  percent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  /** With state "failed". */
  fault: Type.Optional(FaultBody),
  /** With state "erasing" or "capturing": 32 random bytes as hex, which the server signs as a part of its permit. */
  challenge: Type.Optional(Type.String({ pattern: "^[0-9a-f]{64}$" })),
  /** With a challenge in state "erasing": which disk it is, a text of agent/disk/identity.ts; empty: it cannot be told from others. */
  disk: Type.Optional(Type.String({ maxLength: 1000 })),
  /** With state "verifying", where the disk was looked at first: what was right already, and what came for the rest. */
  kept: Type.Optional(Type.Object({ bytes: Type.Number({ minimum: 0 }), receivedBytes: Type.Number({ minimum: 0 }) })),
  /** With state "done": what the restored disk holds now, a text of agent/disk/content.ts. */
  holds: Type.Optional(Type.String({ maxLength: 20_000 })),
  /** With states "rebooting" and "done": the restored system will say itself that it is up. */
  callsWhenUp: Type.Optional(Type.Boolean()),
  /** With state "naming": a script that has just ended. */
  script: Type.Optional(ScriptResult),
  /** With the last word, "done" or "failed": the end of the agent's own log, lines of JSON. */
  log: Type.Optional(Type.String({ maxLength: MOST_LOG_LETTERS })),
  /** With state "done": milliseconds spent in each state. */
  timings: Type.Optional(Type.Record(Type.String(), Type.Number())),
});
export type Report = Static<typeof Report>;

/** `proceed` false: the order was cancelled; stop before the next step that changes the disk. */
export const ReportAnswer = Type.Object({
  proceed: Type.Boolean(),
  reason: Type.String(),
  /**
   * To a challenge, when the order stands: Ed25519 of the site's key, base64, over `permitText` where the order is a
   * deploy, over `capturePermitText` where it is a capture.
   */
  permit: Type.Optional(Type.String()),
  servers: Servers,
});
export type ReportAnswer = Static<typeof ReportAnswer>;
