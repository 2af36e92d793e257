import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { describeFit } from "../../../agent/fit/describe-fit.ts";
import { planFit } from "../../../images/disk-fit/plan.ts";
import { FileDisk, MEBIBYTE, ownWrites, writeUntil } from "./file-disk.ts";

const UUID = "0b1c2d3e-4f50-4617-8829-3a4b5c6d7e8f";
const MAGIC_AT = 4096 - 10;
const kept = { grow: "keep", ids: "keep", seed: "12 52:54:00:00:00:07" } as const;

/** A root that nothing is known of, and swap before it, in which a system sleeps. */
async function imageOf(t: TestContext, magic: string, type = "linux"): Promise<FileDisk> {
  const disk = FileDisk.make(t, 64, `label: gpt\nsize=16MiB, type=${type}\nsize=40MiB, type=linux\n`);
  const area = FileDisk.make(t, 16);
  area.said("mkswap", "-q", "-U", UUID, "-L", "pages");
  const bytes = Buffer.from(await area.read(0, MEBIBYTE));
  bytes.write(magic, MAGIC_AT, "latin1");
  await disk.write(MEBIBYTE, bytes);
  return disk;
}

for (const magic of ["S1SUSPEND\0", "ULSUSPEND\0", "LINHIB0001"]) {
  test(`a system that sleeps in swap (${magic.slice(0, 9)}) does not wake up, though nothing moves`, async (t) => {
    const disk = await imageOf(t, magic);
    const plan = await planFit(disk, 512, kept);
    assert.deepEqual(
      plan.steps.map((step) => step.do === "make-swap" && [step.was, step.volume.number, step.volume.startBytes]),
      [["asleep", 1, MEBIBYTE]],
    );
    assert.match(describeFit(plan).join(), /^partition 1 \(swap\) becomes empty: a sleeping system is in it/);
    await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
    const said = disk.said("blkid", "-p", "-O", String(MEBIBYTE), "-S", String(16 * MEBIBYTE));
    assert.match(said, /TYPE="swap"/);
    assert.match(said, new RegExp(UUID));
    assert.match(said, /LABEL="pages"/);
    assert.deepEqual((await planFit(disk, 512, kept)).steps, [], "twice changes nothing");
  });
}

test("it gets its new number on the way", async (t) => {
  const disk = await imageOf(t, "S1SUSPEND\0");
  const order = { ...kept, ids: "renew" } as const;
  const plan = await planFit(disk, 512, order);
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  const said = disk.said("blkid", "-p", "-O", String(MEBIBYTE), "-S", String(16 * MEBIBYTE));
  assert.match(said, new RegExp(plan.renewed.get(UUID) ?? "none"));
  assert.deepEqual((await planFit(disk, 512, order)).steps, []);
});

test("what cannot be made plain is told: it belongs to a RAID", async (t) => {
  const disk = await imageOf(t, "S1SUSPEND\0", "raid");
  const { steps, notes } = await planFit(disk, 512, kept);
  assert.deepEqual(steps, []);
  assert.match(notes.join(), /Partition 1 still holds a sleeping system.*belongs to a RAID/);
});

test("swap in which nobody sleeps stays as it is", async (t) => {
  const disk = await imageOf(t, "SWAPSPACE2");
  assert.deepEqual((await planFit(disk, 512, kept)).steps, []);
});
