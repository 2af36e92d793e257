import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canStart,
  figuresOf,
  hostPercent,
  listedFigures,
  median,
  troubleFirst,
} from "../../../../server/web/page/session-figures.ts";

type Session = Parameters<typeof figuresOf>[0];

const host = (order: string, state = "pending", percent: number | null = null) =>
  ({ order, state, percent }) as Session["hosts"][number];
const stream = (more: object) =>
  ({
    waitingFor: "",
    figures: { rateBytesPerSecond: 0, sentBytes: 0, receivers: [], ...more },
  }) as unknown as Session["streams"][number];

test("one number says how far a host is, and it never goes back from step to step", () => {
  const way = [
    host("pending"),
    host("running", "preflight"),
    host("running", "erasing", 0),
    host("running", "erasing", 100),
    host("running", "receiving", 0),
    host("running", "receiving", 50),
    host("running", "receiving", 100),
    host("running", "verifying", 0),
    host("running", "verifying", 100),
    host("running", "naming"),
    host("running", "rebooting"),
    host("done"),
  ].map(hostPercent);
  assert.deepEqual(
    way,
    way.toSorted((one, other) => one - other),
  );
  assert.deepEqual([way[0], way.at(-1)], [0, 100]);
  assert.equal(hostPercent(host("running", "receiving", 250)), hostPercent(host("running", "receiving", 100)));
  assert.equal(hostPercent(host("failed", "receiving", 80)), 0);
});

test("a session is as far as its hosts that still count", () => {
  const figures = figuresOf({
    hosts: [host("done"), host("running", "receiving", 0), host("failed"), host("cancelled")],
    streams: [
      stream({
        rateBytesPerSecond: 5,
        sentBytes: 7,
        receivers: [{ lossShare: 0.1 }, { lossShare: 0 }, { lossShare: 0.3 }],
      }),
      { ...stream({ rateBytesPerSecond: 1, sentBytes: 1 }), waitingFor: "1 of 2 hosts ready" },
    ],
  });
  assert.deepEqual(figures, {
    percent: 51.5,
    done: 1,
    failed: 1,
    all: 4,
    rateBytesPerSecond: 6,
    sentBytes: 8,
    lossShare: 0.1,
    waitingFor: "1 of 2 hosts ready",
  });
  assert.equal(figuresOf({ hosts: [], streams: [] }).percent, 0);
});

test("the middle of some numbers", () => {
  assert.deepEqual([median([]), median([3]), median([9, 1]), median([5, 1, 9])], [0, 3, 1, 5]);
});

test("a person may start what waits for its time or for machines, and nothing else", () => {
  const open = { state: "open", receivers: 2, waitingFor: "2 of 3 hosts ready" } as const;
  const session = { state: "active", kind: "deploy", halted: null, startedAtMs: 1, streams: [open] } as const;
  assert(canStart(session));
  assert(canStart({ ...session, startedAtMs: null, streams: [] }), "its time has not come");
  for (const other of [
    { state: "done" as const },
    { kind: "capture" as const },
    { halted: { atMs: 1, code: "X", what: "", why: "", fix: "" } },
    { streams: [{ ...open, receivers: 0 }] },
    { streams: [{ ...open, waitingFor: "" }] },
    { streams: [{ ...open, state: "streaming" as const }] },
  ]) {
    assert(!canStart({ ...session, ...other }), JSON.stringify(other));
  }
});

test("who failed comes first, then names as people count", () => {
  const hosts = [
    { name: "lab-100", order: "running" },
    { name: "lab-11", order: "failed" },
    { name: "lab-2", order: "done" },
    { name: "lab-9", order: "failed" },
  ] as const;
  assert.deepEqual(
    troubleFirst(hosts).map(({ name }) => name),
    ["lab-9", "lab-11", "lab-2", "lab-100"],
  );
});

test("a session in the list has the same figures, from what is counted", () => {
  const counts = { all: 5, pending: 1, running: 1, done: 1, failed: 1, cancelled: 1 };
  const streamed = { rateBytesPerSecond: 5, sentBytes: 7, lossShare: 0.1, waitingFor: "" };
  const streams = [streamed, { ...streamed, lossShare: 0.2, waitingFor: "1 of 2 hosts ready" }];
  const listed = { counts, atWork: [{ state: "receiving", hosts: 1, percent: 50 }], streams };
  const hosts = [host("done"), host("running", "receiving", 50), host("failed"), host("cancelled"), host("pending")];
  const { percent, done, failed, all } = figuresOf({ hosts, streams: [] });
  assert.deepEqual(listedFigures(listed as unknown as Parameters<typeof listedFigures>[0]), {
    ...{ percent, done, failed, all },
    rateBytesPerSecond: 10,
    sentBytes: 14,
    lossShare: 0.2,
    waitingFor: "1 of 2 hosts ready",
  });
  const nobody = { ...counts, all: 0, pending: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  assert.equal(listedFigures({ counts: nobody, atWork: [], streams: [] }).percent, 0);
});
