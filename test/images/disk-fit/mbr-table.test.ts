import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { planFit } from "../../../images/disk-fit/plan.ts";
import { ext4Superblock, FileDisk, MEBIBYTE, ownWrites, writeUntil } from "./file-disk.ts";

const order = { grow: "last", ids: "keep", seed: "12 52:54:00:00:00:07" } as const;
const SWAP_ID = "0b1c2d3e-4f50-4162-8374-95a6b7c8d9ea";
const MiB = MEBIBYTE;

async function imageOf(t: TestContext, table: string, contents: Readonly<Record<number, "ext4" | "swap">>) {
  const disk = FileDisk.make(t, 64, `label: dos\nlabel-id: 0x1234abcd\nunit: sectors\n${table}\n`);
  for (const [number, { start, size }] of disk.partitions()) {
    const content = contents[number];
    if (content === "ext4") {
      await disk.write(start * MiB, ext4Superblock(size));
    } else if (content === "swap") {
      const area = FileDisk.make(t, size);
      area.said("mkswap", "-U", SWAP_ID, "-L", "pages");
      await disk.write(start * MiB, await area.read(0, 4096));
    }
  }
  return disk;
}

const layouts = [
  {
    name: "primary partitions",
    table: "start=2048, size=20480, type=83, bootable\nstart=22528, size=104448, type=83",
    contents: { 1: "ext4", 2: "ext4" },
    after: { 1: [1, 10], 2: [11, 245] },
  },
  {
    name: "swap in a primary partition behind the root",
    table: "start=2048, size=100352, type=83, bootable\nstart=102400, size=24576, type=82",
    contents: { 1: "ext4", 2: "swap" },
    after: { 1: [1, 243], 2: [244, 12] },
  },
  {
    // As Debian's installer made it for years.
    name: "swap in a logical partition behind the root",
    table:
      "start=2048, size=100352, type=83, bootable\nstart=102400, size=26624, type=5\nstart=104448, size=24576, type=82",
    contents: { 1: "ext4", 5: "swap" },
    after: { 1: [1, 242], 2: [243, 13], 5: [244, 12] },
  },
  {
    name: "a logical partition that grows, and swap behind it",
    table: [
      "start=2048, size=20480, type=83\nstart=22528, size=106496, type=f",
      "start=24576, size=75776, type=83\nstart=102400, size=24576, type=82",
    ].join("\n"),
    contents: { 1: "ext4", 5: "ext4", 6: "swap" },
    after: { 1: [1, 10], 2: [11, 245], 5: [12, 231], 6: [244, 12] },
  },
  {
    name: "the last logical partition",
    table: "start=2048, size=20480, type=83\nstart=22528, size=106496, type=5\nstart=24576, size=104448, type=83",
    contents: { 1: "ext4", 5: "ext4" },
    after: { 1: [1, 10], 2: [11, 245], 5: [12, 244] },
  },
] as const;

for (const { name, table, contents, after } of layouts) {
  test(`MBR: ${name}; judged by sfdisk, also after a power cut at any sector`, async (t) => {
    const image = await imageOf(t, table, contents);
    image.grow(256);
    const writes = ownWrites(await planFit(image, 512, order));
    const disk = FileDisk.make(t, 1);
    for (let cut = writes.length; cut >= 0; cut -= 1) {
      disk.becomeCopyOf(image);
      await writeUntil(disk, writes, cut);
      // The host comes back, and plans with what it finds.
      await writeUntil(disk, ownWrites(await planFit(disk, 512, order)), Number.POSITIVE_INFINITY);
      const found = [...disk.partitions()].map(([number, { start, size }]) => [number, [start, size]]);
      assert.deepEqual(Object.fromEntries(found), after, `${cut} of ${writes.length} writes`);
      assert.match(disk.said("sfdisk", "--verify"), /No errors detected/);
      assert.match(disk.said("sfdisk", "--dump"), /label-id: 0x1234abcd/);
      const swap = Object.entries(contents).find(([, content]) => content === "swap")?.[0];
      if (swap !== undefined) {
        const { start, size } = disk.partitions().get(Number(swap))!;
        const offset = ["--offset", String(start * MiB), "--size", String(size * MiB)];
        const said = disk.said("blkid", "-p", "-o", "export", ...offset);
        assert.match(said, new RegExp(`UUID=${SWAP_ID}`));
        assert.match(said, /LABEL=pages\n/);
        assert.match(said, /TYPE=swap/);
      }
    }
  });
}

test("MBR: code and what is bootable stay; on a disk of the same size nothing changes", async (t) => {
  const { table, contents } = layouts[0];
  const disk = await imageOf(t, table, contents);
  assert.deepEqual((await planFit(disk, 512, order)).steps, []);
  await disk.write(0, new Uint8Array(440).fill(0xeb));
  disk.grow(256);
  await writeUntil(disk, ownWrites(await planFit(disk, 512, order)), Number.POSITIVE_INFINITY);
  assert.deepEqual(await disk.read(0, 440), Buffer.alloc(440, 0xeb));
  assert.match(disk.said("sfdisk", "--dump"), /disk1.*bootable/);
});

test("MBR: a new number for the disk, by which PARTUUID= names the partitions", async (t) => {
  const { table, contents } = layouts[2];
  const disk = await imageOf(t, table, contents);
  const renew = { ...order, ids: "renew" } as const;
  const plan = await planFit(disk, 512, renew);
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  const [, id] = /label-id: 0x([0-9a-f]{8})/.exec(disk.said("sfdisk", "--dump"))!;
  assert.notEqual(id, "1234abcd");
  assert.equal(plan.renewed.get("1234abcd-01"), `${id}-01`);
  assert.equal(plan.renewed.get("1234abcd-05"), `${id}-05`);
  const { start } = disk.partitions().get(5)!;
  const said = disk.said("blkid", "-p", "-o", "export", "--offset", String(start * MiB));
  assert.match(said, new RegExp(`UUID=${plan.renewed.get(SWAP_ID)}`));
  const again = await planFit(disk, 512, renew);
  assert.deepEqual(ownWrites(again), []);
});

test("MBR: swap that moves gets its new number on the way", async (t) => {
  const { table, contents } = layouts[2];
  const disk = await imageOf(t, table, contents);
  disk.grow(256);
  const plan = await planFit(disk, 512, { ...order, ids: "renew" });
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  const { start } = disk.partitions().get(5)!;
  const said = disk.said("blkid", "-p", "-o", "export", "--offset", String(start * MiB));
  assert.match(said, new RegExp(`UUID=${plan.renewed.get(SWAP_ID)}`));
});

test("MBR: what is not understood is left as it is, and said", async (t) => {
  const empty = await imageOf(t, "start=2048, size=20480, type=83\nstart=22528, size=104448, type=5", { 1: "ext4" });
  empty.grow(256);
  const { steps, notes } = await planFit(empty, 512, order);
  assert.deepEqual(steps, []);
  assert.match(notes.join(" "), /Nothing grew.*with room in it/);
});
