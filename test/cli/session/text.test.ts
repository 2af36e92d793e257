import assert from "node:assert/strict";
import { test } from "node:test";
import { hostLine, sessionText } from "../../../cli/session/text.ts";
import type { SessionBody, SessionHostBody } from "../../../server/api/schemas.ts";
import { workingHost, workingSession } from "./session-bodies.ts";

const host: SessionHostBody = {
  ...workingHost,
  state: "verifying",
  detail: "reading /dev/sda back",
  kept: { bytes: 9 * 1024 ** 3, receivedBytes: 64 * 1024 ** 2 },
  timings: { verifying: 60_000 },
};
const session: SessionBody = { ...workingSession, hosts: [host, { ...host, id: "h-2", name: "lab-08", kept: null }] };
const kept = "9.0 GiB were right already, 64.0 MiB came";

test("what a restore kept is said of the host while it is at work, and when it is done", () => {
  assert.equal(hostLine(host), `verifying 40 %  reading /dev/sda back; ${kept}`);
  assert.equal(hostLine({ ...host, order: "done" }), `done in 1 min 00 s; ${kept}`);
  assert.equal(hostLine({ ...host, kept: null }), "verifying 40 %  reading /dev/sda back");
});

test("the session says it of each host that kept something", () => {
  const lines = sessionText(session).split("\n");
  assert.deepEqual(
    lines.filter((line) => line.includes("right already")),
    [`lab-07: ${kept}`],
  );
});
