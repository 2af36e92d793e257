import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { planFit } from "../../../images/disk-fit/plan.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { ext4Superblock, FileDisk, MEBIBYTE, ownWrites, writeUntil } from "./file-disk.ts";

const EFI = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const DISK_ID = "11111111-2222-4333-8444-555555555555";
const PARTITION_IDS = ["AAAAAAAA-0000-4000-8000-000000000001", "AAAAAAAA-0000-4000-8000-000000000002"];
const order = { grow: "last", ids: "keep", seed: "12 52:54:00:00:00:07" } as const;

/** A small system partition, and a volume that says that it is ext4: 64 MiB. */
async function imageOf(t: TestContext): Promise<FileDisk> {
  const table = [
    `label: gpt\nlabel-id: ${DISK_ID}`,
    `start=1MiB, size=4MiB, type=${EFI}, uuid=${PARTITION_IDS[0]}, name="EFI"`,
    `start=5MiB, size=58MiB, type=linux, uuid=${PARTITION_IDS[1]}, name="root"`,
  ];
  const disk = FileDisk.make(t, 64, `${table.join("\n")}\n`);
  await disk.write(5 * MEBIBYTE, ext4Superblock(58));
  return disk;
}

test("the table fills the disk and the last partition grows, judged by sfdisk and sgdisk", async (t) => {
  const disk = await imageOf(t);
  disk.grow(256);
  const plan = await planFit(disk, 512, order);
  assert.deepEqual(
    plan.steps.map((step) => step.do),
    ["write-table", "grow"],
  );
  const before = disk.partitions();
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  const after = disk.partitions();
  assert.deepEqual(after.get(1), before.get(1));
  assert.deepEqual(after.get(2), { ...before.get(2), size: 250 });
  assert.match(disk.said("sfdisk", "--verify"), /No errors detected/);
  assert.match(disk.said("sgdisk", "--verify"), /No problems found/);
  // The volume itself is grown by its program: until then that step stays, and nothing else.
  const again = await planFit(disk, 512, order);
  assert.deepEqual(
    again.steps.map((step) => step.do),
    ["grow"],
  );
});

test("where a partition lies in the place of the second copy, nothing is written over it", async (t) => {
  const last = 64 * MEBIBYTE - 34 * 512;
  for (const cutSectors of [33, 1]) {
    const sectors = (last + 512 - 5 * MEBIBYTE) / 512;
    const table = `label: gpt\nstart=1MiB, size=4MiB, type=${EFI}\nstart=5MiB, size=${sectors}, type=linux\n`;
    const disk = FileDisk.make(t, 64, table);
    // An image that was cut where its last partition ends, as careless copies are; or a little behind it.
    disk.grow((64 * MEBIBYTE - cutSectors * 512) / MEBIBYTE);
    await disk.write(last - 511, Buffer.from("the end"));
    const plan = await planFit(disk, 512, { ...order, ids: "renew" });
    assert.deepEqual(
      plan.steps.filter(({ do: step }) => step === "write-table"),
      [],
    );
    assert.match(plan.notes.join(), /a partition lies where its second copy belongs/);
  }
});

test("a member of a RAID stays as it is, though it looks like a file system", async (t) => {
  const raid = "A19D880F-05FC-4D3B-A006-743F0F84911E";
  for (const table of [
    `label: gpt\nstart=1MiB, size=58MiB, type=${raid}\n`,
    "label: dos\nstart=1MiB, size=58MiB, type=fd\n",
  ]) {
    const disk = FileDisk.make(t, 64, table);
    await disk.write(MEBIBYTE, ext4Superblock(58));
    disk.grow(256);
    const { steps, notes } = await planFit(disk, 512, { ...order, ids: "renew" });
    assert.deepEqual(
      steps.filter(({ do: step }) => step !== "write-table"),
      [],
    );
    assert.match(
      notes.join(" "),
      /Nothing grew, .* belongs to a RAID.* keep their numbers: partition 1 \(ext4\) cannot be looked into/,
    );
  }
});

test("what cannot be looked into may name everything: then no number changes", async (t) => {
  for (const [words, at] of [
    ["LUKS\xba\xbe\0\x02", 0],
    ["LABELONE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0LVM2 001", 512],
  ] as const) {
    const table = `label: gpt\nstart=1MiB, size=29MiB, type=linux\nstart=30MiB, size=30MiB, type=linux\n`;
    const disk = FileDisk.make(t, 64, table);
    // /boot, and a root whose fstab is behind a key or in a volume group.
    await disk.write(MEBIBYTE, ext4Superblock(29));
    await disk.write(30 * MEBIBYTE + at, Buffer.from(words, "latin1"));
    const { steps, renewed, notes } = await planFit(disk, 512, { ...order, ids: "renew" });
    assert.deepEqual([steps, renewed.size], [[], 0]);
    assert.match(
      notes.join(" "),
      /keep their numbers: partition 2 \((luks|lvm)\) cannot be looked into, and may name them/,
    );
  }
});

test("nothing to grow: the second copy alone goes to the end", async (t) => {
  const disk = await imageOf(t);
  const before = disk.partitions();
  assert.deepEqual((await planFit(disk, 512, order)).steps, [], "a disk of the image's size is right as it is");
  disk.grow(256);
  const plan = await planFit(disk, 512, { ...order, grow: "keep" });
  assert.deepEqual([plan.steps.map((step) => step.do), plan.renewed.size, plan.notes], [["write-table"], 0, []]);
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  assert.deepEqual(disk.partitions(), before);
  assert.match(disk.said("sgdisk", "--verify"), /No problems found/);
  assert.equal(
    Buffer.from(await disk.read(64 * MEBIBYTE - 512, 8)).toString("latin1"),
    "\0".repeat(8),
    "no stray copy",
  );
  assert.deepEqual((await planFit(disk, 512, { ...order, grow: "keep" })).steps, []);
});

test("a power cut at any byte of the table: one copy can be read, and what follows mends both", async (t) => {
  const image = await imageOf(t);
  image.grow(256);
  const writes = ownWrites(await planFit(image, 512, order));
  const whole = FileDisk.make(t, 1);
  whole.becomeCopyOf(image);
  await writeUntil(whole, writes, Number.POSITIVE_INFINITY);
  const expected = whole.partitions();
  const disk = FileDisk.make(t, 1);
  for (let count = 0; count < writes.length; count += 1) {
    const { length } = writes[count]!.bytes;
    for (const bytesOfNext of [0, 16, 100, 511, Math.floor(length / 512 / 2) * 512, length - 1]) {
      disk.becomeCopyOf(image);
      await writeUntil(disk, writes, count, bytesOfNext);
      const where = `write ${count}, byte ${bytesOfNext}`;
      const layout = await readDiskLayout(disk, 512);
      assert.deepEqual(
        layout.partitions.map(({ number, startBytes }) => [number, startBytes / MEBIBYTE]),
        [
          [1, 1],
          [2, 5],
        ],
        where,
      );
      await writeUntil(disk, ownWrites(await planFit(disk, 512, order)), Number.POSITIVE_INFINITY);
      assert.deepEqual(disk.partitions(), expected, where);
      assert.match(disk.said("sgdisk", "--verify"), /No problems found/, where);
    }
  }
});

test("numbers are renewed by rule: disk and partitions, once", async (t) => {
  const disk = await imageOf(t);
  const renew = { ...order, ids: "renew" } as const;
  const plan = await planFit(disk, 512, renew);
  await writeUntil(disk, ownWrites(plan), Number.POSITIVE_INFINITY);
  const after = disk.partitions();
  for (const [index, old] of PARTITION_IDS.entries()) {
    const { uuid } = after.get(index + 1)!;
    assert.notEqual(uuid, old);
    assert.equal(plan.renewed.get(old.toLowerCase()), uuid.toLowerCase());
  }
  const said = disk.said("sfdisk", "--dump");
  assert.match(said, new RegExp(`label-id: ${plan.renewed.get(DISK_ID.toLowerCase())}`, "i"));
  assert.match(disk.said("sgdisk", "--verify"), /No problems found/);
  const again = await planFit(disk, 512, renew);
  assert(!again.steps.some((step) => step.do === "write-table"), "what is new stays");
  assert.deepEqual(ownWrites(await planFit(disk, 512, { ...renew, seed: "13" })).length > 0, true);
});

test("a table of Windows keeps its numbers, whatever is ordered, and says so", async (t) => {
  const table =
    "label: gpt\nstart=1MiB, size=16MiB, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\nsize=40MiB, type=linux\n";
  const disk = FileDisk.make(t, 64, table);
  const plan = await planFit(disk, 512, { ...order, ids: "renew" });
  assert.deepEqual(plan.steps, []);
  assert.match(plan.notes.join(" "), /keep their numbers: Windows would not start/);
});

test("the disk's end, where what is there does not grow: it is said why", async (t) => {
  for (const [type, why] of [
    ["DE94BBA4-06D1-4D40-A16A-BFD50179D6AC", /recovery of Windows/],
    [EFI, /EFI system partition/],
    ["linux", /nothing that is known/],
  ] as const) {
    const disk = FileDisk.make(t, 64, `label: gpt\nstart=1MiB, size=16MiB, type=linux\nsize=20MiB, type=${type}\n`);
    disk.grow(128);
    const { steps, notes } = await planFit(disk, 512, order);
    assert.deepEqual(
      steps.map((step) => step.do),
      ["write-table"],
    );
    assert.match(notes.join(" "), why);
  }
});

test("a damaged first copy is made anew from the second one", async (t) => {
  const disk = await imageOf(t);
  const before = disk.partitions();
  await disk.write(512, new Uint8Array(512));
  await writeUntil(disk, ownWrites(await planFit(disk, 512, { ...order, grow: "keep" })), Number.POSITIVE_INFINITY);
  assert.deepEqual(disk.partitions(), before);
  assert.match(disk.said("sgdisk", "--verify"), /No problems found/);
});

test("a hybrid MBR follows the partition that it shows", async (t) => {
  const disk = await imageOf(t);
  const mbr = Buffer.from(await disk.read(0, 512));
  // The second partition as a type that old systems read, behind the entry that protects the rest.
  mbr.writeUInt32LE(2048 * 5 - 1, 446 + 12);
  mbr.writeUInt8(0x83, 446 + 16 + 4);
  mbr.writeUInt32LE(2048 * 5, 446 + 16 + 8);
  mbr.writeUInt32LE(2048 * 58, 446 + 16 + 12);
  await disk.write(0, mbr);
  disk.grow(256);
  await writeUntil(disk, ownWrites(await planFit(disk, 512, order)), Number.POSITIVE_INFINITY);
  const after = Buffer.from(await disk.read(0, 512));
  assert.equal(after.readUInt32LE(446 + 16 + 12), 2048 * 250);
  assert.equal(after.readUInt32LE(446 + 12), 2048 * 5 - 1);
});
