import assert from "node:assert/strict";
import { test } from "node:test";
import { negotiate } from "../../../server/tftp/negotiation.ts";

const limits = { fileBytes: 173792, maxBlockSize: 1468, maxWindowSize: 16 };
const plain = { blockSize: 512, windowSize: 1, retryAfterMs: 1000, accepted: [] };

test("tftp options: OVMF's size probe", () => {
  const asked = [
    ["tsize", "0"],
    ["blksize", "1468"],
    ["windowsize", "4"],
  ] as const;
  assert.deepEqual(negotiate(asked, limits), {
    blockSize: 1468,
    windowSize: 4,
    retryAfterMs: 1000,
    accepted: [
      ["tsize", "173792"],
      ["blksize", "1468"],
      ["windowsize", "4"],
    ],
  });
});

test("tftp options: nothing asked, nothing answered", () => assert.deepEqual(negotiate([], limits), plain));

test("tftp options: unknown ones are not echoed", () => {
  assert.deepEqual(
    negotiate(
      [
        ["rollover", "0"],
        ["multicast", ""],
      ],
      limits,
    ),
    plain,
  );
});

for (const value of ["7", "0", "65465", "abc", "", "-512", "1e3", " 512", "99999999999999999999"]) {
  test(`tftp options: blksize ${JSON.stringify(value)} is left out, the rest holds`, () => {
    const terms = negotiate(
      [
        ["blksize", value],
        ["tsize", "0"],
      ],
      limits,
    );
    assert.deepEqual(terms, { ...plain, accepted: [["tsize", "173792"]] });
  });
}

for (const [asked, given] of [
  ["8", 8],
  ["1432", 1432],
  ["1468", 1468],
  ["65464", 1468],
] as const) {
  test(`tftp options: blksize ${asked} becomes ${given}`, () => {
    const terms = negotiate([["blksize", asked]], limits);
    assert.equal(terms.blockSize, given);
    assert.deepEqual(terms.accepted, [["blksize", String(given)]]);
  });
}

for (const [asked, given] of [
  ["1", 1],
  ["4", 4],
  ["64", 16],
  ["65535", 16],
] as const) {
  test(`tftp options: windowsize ${asked} becomes ${given}`, () => {
    assert.equal(negotiate([["windowsize", asked]], limits).windowSize, given);
  });
}

for (const asked of ["0", "65536", "x"]) {
  test(`tftp options: windowsize ${asked} is left out`, () => {
    assert.deepEqual(negotiate([["windowsize", asked]], limits), plain);
  });
}

test("tftp options: windows can be switched off", () => {
  assert.deepEqual(negotiate([["windowsize", "4"]], { ...limits, maxWindowSize: 0 }), plain);
});

test("tftp options: timeout is taken as it is or not at all", () => {
  assert.deepEqual(negotiate([["timeout", "3"]], limits), {
    ...plain,
    retryAfterMs: 3000,
    accepted: [["timeout", "3"]],
  });
  for (const asked of ["0", "255", "256", "3000"]) assert.deepEqual(negotiate([["timeout", asked]], limits), plain);
});

test("tftp options: tsize is the file's length, whatever number was sent", () => {
  assert.deepEqual(negotiate([["tsize", "42"]], { ...limits, fileBytes: 0 }).accepted, [["tsize", "0"]]);
});
