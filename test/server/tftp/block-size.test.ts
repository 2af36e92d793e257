import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockSizeMemory } from "../../../server/tftp/block-size.ts";

test("tftp block size: falls to 1428, then 512, for ten minutes", () => {
  const memory = new BlockSizeMemory();
  assert.equal(memory.limitFor("10.0.0.5", 1468, 0), 1468);
  assert.equal(memory.shrink("10.0.0.5", 1468, 0), 1428);
  assert.equal(memory.limitFor("10.0.0.5", 1468, 1), 1428);
  assert.equal(memory.limitFor("10.0.0.6", 1468, 1), 1468);
  assert.equal(memory.shrink("10.0.0.5", 1428, 2), 512);
  assert.equal(memory.limitFor("10.0.0.5", 1468, 600_001), 512);
  assert.equal(memory.shrink("10.0.0.5", 512, 3), undefined);
  assert.equal(memory.limitFor("10.0.0.5", 1468, 600_002), 1468);
});

test("tftp block size: a smaller limit of the site stays", () => {
  const memory = new BlockSizeMemory();
  memory.shrink("10.0.0.5", 1468, 0);
  assert.equal(memory.limitFor("10.0.0.5", 1024, 1), 1024);
});

test("tftp block size: remembers a thousand clients, not more", () => {
  const memory = new BlockSizeMemory();
  for (let client = 0; client < 1001; client += 1) memory.shrink(`client ${client}`, 1468, 0);
  assert.equal(memory.limitFor("client 0", 1468, 1), 1468);
  assert.equal(memory.limitFor("client 1", 1468, 1), 1428);
});
