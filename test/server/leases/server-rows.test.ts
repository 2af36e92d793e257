import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../../server/events.ts";
import type { BeatLine } from "../../../server/leases/beat-line.ts";
import { PostgresServerRows } from "../../../server/leases/server-rows.ts";

// No process has it: Linux counts to 4 194 304.
const NOBODY = 5_000_000;

test("a row is that of a dead process only where this machine can know: a copy of it has the same name and other processes", async () => {
  const rowsFor = (row: object | undefined) => {
    const line = { run: async () => (row === undefined ? [] : [row]) } as unknown as BeatLine;
    const self = { id: "a", incarnation: "here 2", name: "lab", version: "1", pid: process.pid, key: "k" };
    return new PostgresServerRows(line, undefined as unknown as EventLog, self).isOfDeadProcess();
  };
  assert.equal(await rowsFor(undefined), false);
  assert.equal(await rowsFor({ name: "lab", incarnation: "here 1", pid: NOBODY }), true);
  assert.equal(await rowsFor({ name: "lab", incarnation: "here 1", pid: process.ppid }), false);
  assert.equal(await rowsFor({ name: "lab", incarnation: "elsewhere 1", pid: NOBODY }), false);
  assert.equal(await rowsFor({ name: "lab", incarnation: "elsewhere 1", pid: process.pid }), false);
});
