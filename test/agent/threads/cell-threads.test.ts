import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { openCellThreads } from "../../../agent/threads/cell-threads.ts";
import { CELL_BYTES, cellId } from "../../../images/cell.ts";
import { differingCells } from "../../../images/verify.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";

const log = pino({ level: "silent" });

test("threads find the cells that differ, as one thread does", async () => {
  const disk = sampleDisk(`${"?a0".repeat(60)}?`, 4096);
  const { manifest } = await scanToMemory(disk);
  for (const cell of [0, 7, 8, 100, 180]) disk.bytes[cell * CELL_BYTES + 17]! ^= 1;
  const work = await openCellThreads(log);
  try {
    const differing: number[] = [];
    for await (const cell of differingCells(manifest, disk, { work })) differing.push(cell);
    assert.deepEqual(differing, [0, 7, 8, 100, 180]);
  } finally {
    await work.close();
  }
});

test("cells are named, zeros are not; after the end the question fails instead of waiting", async () => {
  const work = await openCellThreads(log);
  const memory = work.take(2 * CELL_BYTES + 512);
  memory.fill(0);
  memory.fill(9, 0, CELL_BYTES);
  const cells = [0, 1, 2].map((at) => memory.subarray(at * CELL_BYTES, (at + 1) * CELL_BYTES));
  const [first, second, third] = await work.identify(cells);
  assert.deepEqual(Buffer.from(first!), Buffer.from(cellId(cells[0]!)));
  assert.deepEqual([second, third], [undefined, undefined]);
  const asked = work.identify(cells).catch((error: { code: string }) => error.code);
  await work.close();
  assert(
    ["CELL_THREAD_ENDED", undefined].includes(
      await asked.then((value) => (typeof value === "string" ? value : undefined)),
    ),
  );
  await assert.rejects(work.identify(cells), { code: "CELL_THREAD_ENDED" });
});
