import assert from "node:assert/strict";
import { test } from "node:test";
import { serverFindings } from "../../../server/doctor/servers.ts";
import { type ServersNow, serverMetrics } from "../../../server/leases/servers-now.ts";

const server = { version: "1.0", addresses: [], startedAtMs: 1, seenAtMs: 1, isSelf: false, isLeading: false };
const one = { ...server, name: "one", isSelf: true, isLeading: true };
const well: ServersNow = { servers: [one, { ...server, name: "two" }], gone: [], databaseAheadMs: 1_500 };

test("servers that fit together are told in one line; where there can be only one nothing is", () => {
  assert.deepEqual(serverFindings(undefined), []);
  const detail = "2 work together: one (sees to schedules), two.";
  assert.deepEqual(serverFindings(well), [{ probe: "servers", status: "ok", detail }]);
  assert.match(serverFindings({ ...well, servers: [one] })[0]!.detail, /alone/);
});

test("another version, a clock that is wrong, and a server that is missed are told, with what to do", () => {
  const bad = serverFindings({
    servers: [one, { ...server, name: "two", version: "0.9" }],
    gone: ["three"],
    databaseAheadMs: -3_000,
  });
  assert.deepEqual(
    bad.map(({ status, detail }) => `${status}: ${detail}`),
    [
      "warn: The server two has bootcast 0.9, this one 1.0.",
      "warn: This machine's clock and that of the database are 3 s apart.",
      "warn: Went away without a word, and did not come back: three. Its work is done here.",
    ],
  );
  assert(bad.every(({ fix }) => fix !== undefined));
});

test("how many there are is measured, and which one leads", () => {
  assert.equal(serverMetrics(undefined), "");
  const text = serverMetrics({ others: [{} as never], isLeading: false });
  assert.match(text, /^bootcast_servers 2$/m);
  assert.match(text, /^bootcast_server_leading 0$/m);
});
