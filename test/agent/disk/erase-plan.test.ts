import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import { type Disk, type EraseMethod, eraseMethods } from "../../../agent/contract.ts";
import { eraseAsOrdered } from "../../../agent/disk/erase.ts";
import { describeErase, type EraseOffers, planErase, unwrittenRanges } from "../../../agent/disk/erase-plan.ts";
import { nvmeDevices } from "../../../agent/disk/nvme-device.ts";
import { DiskTarget } from "../../../agent/disk/target.ts";
import { thisMachine } from "../../../agent/machine/machine-files.ts";
import { type Tools, tools } from "../../../agent/machine/tools.ts";
import { Fault } from "../../../fault.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { CellMapBuilder } from "../../../images/cell-map.ts";
import { fakeClock } from "../fake-clock.ts";
import { treeFiles } from "../machine/machine-tree.ts";

const MIB = 1024 * 1024;
const log = pino({ level: "silent" });
const disk = { path: "/dev/sda", sizeBytes: 100 * MIB };
const some = [{ startBytes: 0, endBytes: MIB }];
const all: EraseOffers = { zeroes: true, discards: true, secure: "ata-sanitize-block" };
const none: EraseOffers = { zeroes: false, discards: false };

const plans: readonly (readonly [EraseMethod, EraseOffers, string])[] = [
  ["quick", all, "wipe the partition tables, then let the device zero itself"],
  ["quick", { zeroes: false, discards: true }, "wipe the partition tables, then discard everything"],
  ["quick", none, "wipe the partition tables"],
  ["discard", all, "wipe the partition tables, then discard everything"],
  ["zeros", all, "wipe the partition tables, then zero 1.0 MiB that the image does not write"],
  ["zeros", none, "wipe the partition tables, then zero 1.0 MiB that the image does not write"],
  ["secure", all, "destroy everything (ata-sanitize-block), then wipe the partition tables"],
  ["none", all, "wipe the partition tables"],
];
for (const [method, offers, words] of plans) {
  test(`"${method}" with ${JSON.stringify(offers)}: ${words}`, () => {
    assert.equal(describeErase(planErase(method, disk, offers, some)), words);
  });
}

test("what the device cannot do is refused before anything is changed, never done in a weaker way", () => {
  for (const method of ["discard", "secure"] as const) {
    assert.throws(() => planErase(method, disk, none, some), {
      code: "ERASE_UNSUPPORTED",
      message: /Nothing was erased/,
    });
  }
});

test("after every way nothing boots from the disk, and only what is required may fail", () => {
  for (const method of eraseMethods) {
    const steps = planErase(method, disk, all, some);
    assert(steps.some((step) => step.do === "wipe-ends"));
    for (const step of steps) if (step.do === "discard") assert.equal(step.isRequired, method === "discard");
  }
});

/** Cells by letter: d data, z zero, u unused. */
function imageOf(letters: string, diskBytes: number) {
  const cells = new CellMapBuilder();
  let stored = 0;
  for (const letter of letters) {
    if (letter === "d") cells.data(stored++);
    else if (letter === "z") cells.zero();
    else cells.unused();
  }
  return { cells: cells.finish(), diskBytes };
}

test("what the image does not write: zeros, unused cells, and the rest of a larger disk, joined", () => {
  const cell = CELL_BYTES;
  assert.deepEqual(unwrittenRanges(imageOf("dzud", 4 * cell), 6 * cell), [
    { startBytes: cell, endBytes: 3 * cell },
    { startBytes: 4 * cell, endBytes: 6 * cell },
  ]);
  assert.deepEqual(unwrittenRanges(imageOf("dz", cell + 512), cell + 1024), [
    { startBytes: cell, endBytes: cell + 1024 },
  ]);
  assert.deepEqual(unwrittenRanges(imageOf("d", 512), 512), []);
  fc.assert(
    fc.property(fc.stringMatching(/^[dzu]{1,40}$/), fc.nat(5), (letters, larger) => {
      const diskBytes = letters.length * cell;
      const ranges = unwrittenRanges(imageOf(letters, diskBytes), diskBytes + larger * cell);
      const written = [...letters].map((letter) => letter === "d");
      for (let index = 0; index < letters.length + larger; index += 1) {
        const isIn = ranges.some(
          ({ startBytes, endBytes }) => startBytes <= index * cell && (index + 1) * cell <= endBytes,
        );
        assert.equal(isIn, written[index] !== true);
      }
    }),
  );
});

const OLD = 0xee;

/** A disk full of old data: a real one (a loop device), or a file that plays one. */
function oldDisk(t: TestContext, mebibytes: number, isReal: boolean): Disk {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-erase-"));
  const file = join(directory, "vda");
  writeFileSync(file, Buffer.alloc(mebibytes * MIB, OLD));
  const path = isReal ? execFileSync("losetup", ["-f", "--show", file], { encoding: "utf8" }).trim() : file;
  t.after(() => {
    if (isReal) execFileSync("losetup", ["-d", path]);
    rmSync(directory, { recursive: true });
  });
  return {
    ...{ path, sizeBytes: mebibytes * MIB, sectorBytes: 512, model: "", serial: "", wwn: "" },
    ...{ transport: "virtio", isRemovable: false, isReadOnly: false, usedBy: [] },
  };
}

async function erase(
  target: Disk,
  method: EraseMethod,
  manifest: ReturnType<typeof imageOf>,
  how?: Tools,
  files = how === undefined ? thisMachine : treeFiles({ files: {}, links: {} }),
  said: string[] = [],
) {
  const blocks = new DiskTarget(target);
  await blocks.open();
  const percents: number[] = [];
  try {
    const machine = { files, tools: how ?? tools, nvme: nvmeDevices, clock: fakeClock(), log };
    const erased = await eraseAsOrdered(target, blocks, machine, {
      method,
      manifest,
      all: [target],
      signal: new AbortController().signal,
      onProgress({ percent, detail }) {
        percents.push(percent ?? -1);
        said.push(detail);
      },
    });
    return { erased, percents };
  } finally {
    await blocks.close();
  }
}

const isRoot = process.getuid?.() === 0;
const needsLoop = { skip: isRoot ? false : "loop devices need root" };

/** Looks at the disk from outside: the bytes of its file or device. */
function left(target: Disk): Buffer {
  if (target.path.startsWith("/dev/")) execFileSync("blockdev", ["--flushbufs", target.path]);
  return readFileSync(target.path);
}

test(
  '"zeros" on a real disk: every byte that the image does not write is zero, and no other was touched',
  needsLoop,
  async (t) => {
    const target = oldDisk(t, 8, true);
    const letters = "d".repeat(20) + "zu".repeat(10) + "d".repeat(20);
    const image = imageOf(letters, 60 * CELL_BYTES);
    const { erased, percents } = await erase(target, "zeros", image);
    assert.deepEqual([erased.isZeroed, percents.at(-1)], [true, 100]);
    const now = left(target);
    for (const { startBytes, endBytes } of unwrittenRanges(image, target.sizeBytes)) {
      assert(
        now.subarray(startBytes, endBytes).every((byte) => byte === 0),
        `${startBytes}`,
      );
    }
    assert(
      now.subarray(17 * CELL_BYTES, 20 * CELL_BYTES).every((byte) => byte === OLD),
      "the image writes here itself",
    );
    assert.equal(basename(target.path).startsWith("loop"), true);
  },
);

test('"zeros" where the kernel refuses, or says it did and did not: they are written', async (t) => {
  for (const act of [() => Promise.reject(new Error("refused")), () => Promise.resolve("")]) {
    const target = oldDisk(t, 8, false);
    const image = imageOf("du", 2 * CELL_BYTES);
    assert.equal((await erase(target, "zeros", image, { run: act })).erased.isZeroed, true);
    const now = left(target);
    assert(now.subarray(CELL_BYTES).every((byte) => byte === 0));
  }
});

test("a tool that the kernel does not let go of ends the erase: it may still zero what would be written next", async (t) => {
  const stuck = new Fault("TOOL_STUCK", { what: "It is still there.", why: "The kernel.", fix: "Off and on." });
  const act = { run: () => Promise.reject(stuck) };
  const target = oldDisk(t, 4, false);
  await assert.rejects(erase(target, "zeros", imageOf("du", 2 * CELL_BYTES), act), stuck);
  const said: string[] = [];
  const zeroes = { [`/sys/block/${basename(target.path)}/queue/write_zeroes_max_bytes`]: "1" };
  const files = treeFiles({ files: zeroes, links: {} });
  await assert.rejects(erase(target, "quick", imageOf("d", MIB), act, files, said), stuck);
  assert.deepEqual(said, ["the device zeroes itself"], "what is waited for is told");
});

test('"none" and "quick" without help from the device wipe the ends alone, and promise no zeros', async (t) => {
  for (const method of ["none", "quick"] as const) {
    const target = oldDisk(t, 4, false);
    const { erased } = await erase(target, method, imageOf("d", 4 * MIB), { run: async () => assert.fail("no tool") });
    assert.equal(erased.isZeroed, false);
    const now = left(target);
    assert(now.subarray(0, MIB).every((byte) => byte === 0) && now.subarray(3 * MIB).every((byte) => byte === 0));
    assert(now.subarray(MIB, 3 * MIB).every((byte) => byte === OLD));
  }
});

test('"discard" and "secure" where they are not offered change nothing', async (t) => {
  for (const method of ["discard", "secure"] as const) {
    const target = oldDisk(t, 4, false);
    const refusing = { run: async () => Promise.reject(new Error("not here")) };
    await assert.rejects(erase(target, method, imageOf("d", MIB), refusing), { code: "ERASE_UNSUPPORTED" });
    assert(left(target).every((byte) => byte === OLD));
  }
});
