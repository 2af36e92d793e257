import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeFeedback, encodeFeedback, type Feedback, MOST_WISHES } from "../../multicast/feedback.ts";
import { packetFormat } from "../../multicast/packet.ts";

const format = packetFormat({ streamId: "0123456789abcdef", symbolBytes: 8 });

/** Laid out by another program after the table in feedback.ts, with Python's zlib for the checksum. */
const golden = Buffer.from("b50200000123456700112233445566fffffffffe9a30e4660000000300010200010000ffff80", "hex");
const feedback: Feedback = {
  receiver: "00112233445566ff",
  newest: 0xfffffffe,
  wishes: [
    { block: 3, count: 1, lacking: 2 },
    { block: 0x10000, count: 0xffff, lacking: 128 },
  ],
};

test("feedback: golden bytes both ways", () => {
  assert.equal(Buffer.from(encodeFeedback(feedback, format)).toString("hex"), golden.toString("hex"));
  assert.deepEqual(decodeFeedback(golden, format), feedback);
});

test("feedback: every cut, every longer one and every flipped bit is dropped", () => {
  for (let cut = 0; cut < golden.length; cut += 1)
    assert.equal(decodeFeedback(golden.subarray(0, cut), format), undefined);
  assert.equal(decodeFeedback(Buffer.concat([golden, Buffer.alloc(7)]), format), undefined);
  for (let bit = 0; bit < golden.length * 8; bit += 1) {
    const changed = Buffer.from(golden);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeFeedback(changed, format), undefined, `bit ${bit}`);
  }
});

test("feedback: another stream's is dropped, even when the visible half of its id is the same", () => {
  for (const streamId of ["0123456700000000", "0000000089abcdef"]) {
    assert.equal(
      decodeFeedback(encodeFeedback(feedback, packetFormat({ streamId, symbolBytes: 8 })), format),
      undefined,
    );
  }
});

test("feedback: the largest fits a frame of 1500 bytes", () => {
  const wishes = Array.from({ length: MOST_WISHES }, (_, block) => ({ block, count: 1, lacking: 1 }));
  const bytes = encodeFeedback({ ...feedback, wishes }, format);
  assert(bytes.length <= 1472, `${bytes.length}`);
  assert.equal(decodeFeedback(bytes, format)?.wishes.length, MOST_WISHES);
});

test("feedback: wishes for nothing are left out; any bytes are decoded or dropped", () => {
  const empty = {
    ...feedback,
    wishes: [
      { block: 1, count: 0, lacking: 5 },
      { block: 1, count: 5, lacking: 0 },
    ],
  };
  assert.deepEqual(decodeFeedback(encodeFeedback(empty, format), format)?.wishes, []);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      assert.equal(decodeFeedback(bytes, format), undefined);
    }),
  );
});
