import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresLine, receiversTable } from "../../../cli/stream/figures.ts";
import type { ReceiverFigures, StreamFigures } from "../../../server/stream/figures.ts";

const receiver: ReceiverFigures = {
  id: "h-1",
  name: "lab-01",
  state: "receiving",
  why: "",
  lossShare: 0,
  packsDone: 5,
  packsTotal: 10,
  missing: [[4, 4]],
};
const figures: StreamFigures = {
  streamId: "00112233445566aa",
  image: "golden",
  imageVersion: 3,
  state: "streaming",
  waitingFor: "",
  rateBytesPerSecond: 11_800_000,
  mode: "normal",
  mostBytesPerSecond: 12_000_000,
  rateWhy: "",
  sentBytes: 3 * 1024 * 1024,
  refused: 0,
  pass: 2,
  blocks: 8,
  receivers: [receiver],
};

test("a stream in one line: rate, pass, bytes, and who loses most", () => {
  assert.equal(figuresLine(figures), "11.8 MB/s now, pass 2, 3.0 MiB sent");
  const lossy = [0.001, 0.3, 0.02, 0.01, 0.05, 0.04].map((lossShare, at) => ({
    ...receiver,
    name: `pc-${at}`,
    lossShare,
  }));
  // Whoever is done does not need help any more.
  const receivers = [...lossy, { ...receiver, name: "pc-9", state: "done" as const, lossShare: 0.9 }];
  assert.equal(
    figuresLine({ ...figures, receivers }),
    "11.8 MB/s now, pass 2, 3.0 MiB sent; " +
      "packets lost: pc-1 30.00 %, pc-4 5.00 %, pc-5 4.00 %, pc-2 2.00 %, pc-3 1.00 % and 1 more",
  );
});

test("a line for each receiver, with its map", () => {
  const receivers = [receiver, { ...receiver, name: "lab-02", packsDone: 0, missing: null, why: "Its link is slow." }];
  const [head, first, second] = receiversTable({ ...figures, receivers }).split("\n");
  assert.match(head!, /^RECEIVER {2}STATE {6}LOST {4}DONE {2}MISSING$/);
  assert.equal(first, `lab-01    receiving  0.00 %  50 %  ${".".repeat(20)}${"x".repeat(20)}`);
  assert.match(second!, /^lab-02 {4}receiving {2}0\.00 % {2}0 % +Its link is slow\.$/);
});
