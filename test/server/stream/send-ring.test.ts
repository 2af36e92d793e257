import assert from "node:assert/strict";
import { test } from "node:test";
import { SendRing } from "../../../server/stream/send-ring.ts";

const BYTES = 3;

function numbered(ring: SendRing, value: number): void {
  ring.add(1, (bytes) => bytes.fill(value));
}

test("what is written is read in order, end to end up to the ring's end", () => {
  const ring = SendRing.create(4, BYTES);
  const reader = new SendRing(ring.memory, BYTES);
  for (const value of [1, 2, 3]) numbered(ring, value);
  assert.equal(ring.waiting, 3);
  assert.deepEqual(reader.first(), { number: 0, place: 0, count: 3 });
  reader.onSent(3, 1);
  ring.add(4, (bytes, at) => bytes.fill(4 + at));
  assert.equal(ring.waiting, ring.capacity);
  assert.equal(ring.refused, 1);
  // Number 3 is the last place; those behind it begin anew.
  assert.deepEqual(reader.first(), { number: 3, place: 3, count: 1 });
  assert.deepEqual([...reader.datagram(3)], [4, 4, 4]);
  reader.onSent(1, 0);
  assert.deepEqual(reader.first(), { number: 4, place: 0, count: 3 });
  assert.deepEqual([...reader.datagram(6)], [7, 7, 7]);
});

test("numbers wrap after 2^31 datagrams", () => {
  const ring = SendRing.create(8, BYTES);
  const control = new Int32Array(ring.memory.control);
  control.fill(0x7fff_fffe, 0, 2);
  for (let value = 0; value < 5; value += 1) numbered(ring, value);
  assert.equal(ring.waiting, 5);
  assert.deepEqual(ring.first(), { number: 0x7fff_fffe, place: 6, count: 2 });
  ring.onSent(2, 0);
  assert.deepEqual(ring.first(), { number: -0x8000_0000, place: 0, count: 3 });
  assert.deepEqual([...ring.datagram(-0x8000_0000)], [2, 2, 2]);
});

test("a thread that waits for a datagram goes on when the ring is closed", () => {
  const ring = SendRing.create(4, BYTES);
  ring.close();
  ring.awaitDatagram();
  assert.equal(ring.isClosing, true);
});

test("the rate is told in shared memory: any that can be asked for, and never none", () => {
  const ring = SendRing.create(4, BYTES);
  const reader = new SendRing(ring.memory, BYTES);
  for (const rate of [1_000, 12_000_000, 50_000_000_000]) {
    ring.rateBytesPerSecond = rate;
    assert.equal(reader.rateBytesPerSecond, rate);
  }
  ring.rateBytesPerSecond = 0;
  assert.equal(reader.rateBytesPerSecond, 100);
});
