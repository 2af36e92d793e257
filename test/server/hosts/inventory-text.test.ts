import assert from "node:assert/strict";
import { test } from "node:test";
import { Inventories } from "../../../server/hosts/inventory-text.ts";
import { machine } from "../core.ts";

test("the same text is read once, and what all share cannot be changed", () => {
  const inventories = new Inventories();
  const text = JSON.stringify(machine(1));
  const inventory = inventories.read(text);
  assert.deepEqual(inventory, machine(1));
  assert.equal(inventories.read(JSON.stringify(machine(1))), inventory);
  assert.notEqual(inventories.read(JSON.stringify(machine(2))), inventory);
  assert.throws(() => inventory.disks.pop(), TypeError);
  assert.throws(() => {
    inventory.disks[0]!.sizeBytes = 0;
  }, TypeError);
});

test("only so much is kept", () => {
  const [one, two] = [JSON.stringify(machine(1)), JSON.stringify(machine(2))];
  const inventories = new Inventories(one.length + two.length - 1);
  const first = inventories.read(one);
  assert.equal(inventories.read(one), first);
  inventories.read(two);
  const again = inventories.read(one);
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
});
