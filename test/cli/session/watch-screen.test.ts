import assert from "node:assert/strict";
import { test } from "node:test";
import { watchScreen } from "../../../cli/session/watch-screen.ts";
import { Redrawn } from "../../../cli/terminal/redrawn.ts";
import type { SessionBody, SessionHostBody } from "../../../server/api/schemas.ts";
import { workingHost, workingSession } from "./session-bodies.ts";

const host: SessionHostBody = { ...workingHost, name: "b-01", percent: 58, lossShare: 0.0004, leftMs: 250_000 };
const session: SessionBody = {
  ...workingSession,
  id: 41,
  image: "lab-2026",
  imageVersion: 3,
  leftMs: 250_000,
  hosts: [
    { ...host, id: "h-3", name: "b-12", order: "pending", state: "pending", percent: null },
    { ...host, id: "h-4", name: "b-10", order: "done", totalMs: 500_000, percent: null },
    host,
    { ...host, id: "h-2", name: "b-09", lossShare: 0.021, slow: "it loses 2.1 %, the others 0.0 %: look at its cable" },
  ],
};
const screen = { columns: 100, rows: 24, timeZone: "UTC" };

test("a session on a terminal: how far it is, and who is slow at the top", () => {
  assert.deepEqual(watchScreen(session, screen), [
    "session 41  lab-2026 v3 -> room-b   1 of 4 done   4 min 10 s left",
    "  b-09  receiving  #########-------  58 %  lost 2.1 %  <- it loses 2.1 %, the others 0.0 %: look at…",
    "  b-01  receiving  #########-------  58 %",
    "  b-12  pending: waits for the host to boot from the network",
    "  b-10  done in 8 min 20 s",
  ]);
});

test("a large room fits a small screen: those that matter stay, and the rest is counted", () => {
  const hosts = Array.from({ length: 40 }, (_, index) => ({ ...host, id: `${index}`, name: `b-${index}` }));
  const fault = { code: "X", what: "It broke.", why: "", fix: "" };
  hosts.push({ ...host, id: "x", name: "z-1", order: "failed", fault });
  const lines = watchScreen({ ...session, hosts }, { ...screen, columns: 40, rows: 10 });
  assert.equal(lines.length, 8);
  assert(lines.every((line) => line.length <= 40));
  assert.equal(lines[1], "  z-1   failed: It broke.");
  assert.equal(lines[2]?.startsWith("  b-0 "), true, "by number");
  assert.equal(lines.at(-1), "  and 35 more");
});

test("what a session has stopped for is above its hosts", () => {
  const halted = { atMs: 0, code: "CANARY_FAILED", what: "w", why: "b-01 failed.", fix: "Go on." };
  const [, line] = watchScreen({ ...session, halted }, screen);
  assert.equal(line, "STOPPED: b-01 failed. Go on.");
});

test("lines are drawn over those before, and what was longer goes", () => {
  let written = "";
  const redrawn = new Redrawn({
    write: (text) => {
      written += text;
    },
  });
  redrawn.draw(["one", "two"]);
  redrawn.draw(["1"]);
  assert.equal(written, "\rone\x1b[K\ntwo\x1b[K\n\x1b[J\r\x1b[2A1\x1b[K\n\x1b[J");
});
