import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockRoom } from "../../multicast/block-room.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { descriptionOf } from "./streams.ts";

/** Ten blocks of four symbols of ten bytes, the last one of two; three fit. */
function start(): BlockRoom {
  const layout = new StreamLayout(descriptionOf([380], { symbolBytes: 10, symbolsPerBlock: 4 }), [
    { storedBytes: 380 },
  ]);
  return new BlockRoom(layout, 3, (bytes) => new Uint8Array(bytes));
}

test("block room: runs of blocks get room as a whole or not at all; what is shared counts once", () => {
  const room = start();
  assert.equal(room.limitBytes, 120);
  assert.equal(room.useAll(0, 1), true);
  assert.equal(room.useAll(2, 3), false);
  assert.equal(room.usersOf(2), 0, "not a part of it either");
  assert.equal(room.useAll(1, 2), true);
  assert.deepEqual([room.usersOf(0), room.usersOf(1)], [1, 2]);
  room.leave(1);
  assert.equal(room.useAll(3, 3), false, "the other one still uses it");
  room.leave(1);
  assert.equal(room.useAll(3, 3), true);
});

test("block room: a place is used again when its last user has left, and the last block has its own length", () => {
  const room = start();
  room.useAll(0, 0);
  room.useToo(0);
  const first = room.hold(0);
  assert.equal(room.heldBytes, 40);
  room.leave(0);
  assert.equal(room.get(0), first);
  room.leave(0);
  assert.deepEqual([room.get(0), room.heldBytes], [undefined, 0]);
  room.useAll(9, 9);
  const last = room.hold(9);
  assert.deepEqual([last.slot, last.symbols.bytes.length, last.symbols.bytes.buffer], [0, 20, room.memory.buffer]);
});
