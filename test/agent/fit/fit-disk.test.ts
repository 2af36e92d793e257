import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fitDisk } from "../../../agent/fit/fit-disk.ts";
import { type Tools, tools } from "../../../agent/machine/tools.ts";
import { Fault } from "../../../fault.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { findUnusedCells } from "../../../images/unused-cells.ts";
import { FileDisk } from "../../images/disk-fit/file-disk.ts";
import { LoopDisk } from "./loop-disk.ts";

const skip = process.getuid?.() !== 0 && "loop devices and mounting need root";
const MEBIBYTE = 1024 * 1024;
const SEED = "12 52:54:00:00:00:07";
const grow = { grow: "last", ids: "keep", seed: SEED } as const;
const renew = { grow: "last", ids: "renew", seed: SEED } as const;
const EFI = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const progress = { signal: new AbortController().signal, onProgress: () => undefined };

type Kind = {
  readonly fileSystem: string;
  readonly make: readonly string[];
  readonly mebibytes: number;
  /** Fails when the file system is not sound; given the partition. */
  readonly checks: readonly (readonly string[])[];
  /** So much of its partition may be its own tables. */
  readonly overheadBytes: number;
};

const kinds: readonly Kind[] = [
  {
    fileSystem: "ext4",
    make: ["mkfs.ext4", "-q"],
    mebibytes: 40,
    checks: [["e2fsck", "-f", "-n"]],
    overheadBytes: 40 * MEBIBYTE,
  },
  {
    // As Red Hat made it: no checksums, 1 KiB blocks, a small inode.
    fileSystem: "ext3",
    make: ["mkfs.ext3", "-q", "-b", "1024", "-I", "128"],
    mebibytes: 40,
    checks: [["e2fsck", "-f", "-n"]],
    overheadBytes: 40 * MEBIBYTE,
  },
  {
    fileSystem: "xfs",
    make: ["mkfs.xfs", "-q"],
    mebibytes: 320,
    checks: [["xfs_repair", "-n"]],
    overheadBytes: 140 * MEBIBYTE,
  },
  {
    fileSystem: "btrfs",
    make: ["mkfs.btrfs", "-q"],
    mebibytes: 128,
    checks: [["btrfs", "check", "--readonly"]],
    overheadBytes: 20 * MEBIBYTE,
  },
  {
    fileSystem: "ntfs",
    make: ["mkfs.ntfs", "-q", "-F", "-L", "Windows"],
    mebibytes: 40,
    checks: [
      ["ntfsfix", "-n"],
      ["ntfsresize", "--info", "--force", "--no-progress-bar"],
    ],
    overheadBytes: 10 * MEBIBYTE,
  },
];

/** Puts files on a volume that are known again: a large one, many small ones. */
function fill(root: string): string {
  const hash = createHash("sha256");
  mkdirSync(join(root, "many"));
  const large = randomBytes(6 * MEBIBYTE);
  writeFileSync(join(root, "large"), large);
  for (let file = 0; file < 100; file += 1) writeFileSync(join(root, "many", `${file}`), `file ${file}\n`.repeat(file));
  return hash.update(large).digest("hex");
}

function assertHolds(root: string, digest: string): void {
  assert.equal(
    createHash("sha256")
      .update(readFileSync(join(root, "large")))
      .digest("hex"),
    digest,
  );
  for (let file = 0; file < 100; file += 1) {
    assert.equal(readFileSync(join(root, "many", `${file}`), "utf8"), `file ${file}\n`.repeat(file));
  }
}

/** A restored disk: system partition, a volume of this kind, on a disk of the image's size. */
function imageOf(t: TestContext, kind: Kind): { disk: LoopDisk; digest: string } {
  const disk = new LoopDisk(t);
  disk.attach(kind.mebibytes + 8);
  disk.table(`label: gpt\nsize=4MiB, type=${EFI}\nsize=${kind.mebibytes}MiB, type=linux\n`);
  disk.run("mkfs.fat", "-i", "1a2b3c4d", disk.partition(1));
  disk.run(kind.make[0]!, ...kind.make.slice(1), disk.partition(2));
  const digest = disk.mounted(2, kind.fileSystem, fill);
  return { disk, digest };
}

const larger = (kind: Kind) => kind.mebibytes * 3 + 300;

function assertGrown(disk: LoopDisk, kind: Kind, digest: string): void {
  assert.match(disk.run("sgdisk", "--verify", disk.device), /No problems found/);
  const sizeBytes = Number(disk.run("blockdev", "--getsize64", disk.partition(2)));
  assert.equal(sizeBytes, (larger(kind) - 1 - 5) * MEBIBYTE);
  for (const [command, ...args] of kind.checks) disk.run(command!, ...args, disk.partition(2));
  disk.mounted(2, kind.fileSystem, (root) => {
    assertHolds(root, digest);
    const { blocks, bsize } = statfsSync(root);
    const lacks = sizeBytes - blocks * bsize;
    assert(lacks >= 0 && lacks < kind.overheadBytes, `${lacks} bytes are not in it`);
  });
  for (const [command, ...args] of kind.checks) disk.run(command!, ...args, disk.partition(2));
}

const uuidOf = (disk: LoopDisk, number: number) =>
  disk.run("blkid", "-p", "-s", "UUID", "-o", "value", disk.partition(number)).trim();

for (const kind of kinds) {
  const name = kind.make.join(" ");
  test(`${name}: grows to the disk with its files and number, and twice changes nothing`, { skip }, async (t) => {
    const { disk, digest } = imageOf(t, kind);
    const uuid = uuidOf(disk, 2);
    disk.detach();
    disk.attach(larger(kind));
    const fitted = await fitDisk(disk.disk, grow, disk.machine(), progress);
    assert.equal(fitted.lines.length, 2, fitted.lines.join("\n"));
    assert.equal(fitted.renewed.size, 0);
    assertGrown(disk, kind, digest);
    assert.equal(uuidOf(disk, 2), uuid);
    const again = await fitDisk(disk.disk, grow, disk.machine(), progress);
    assert.deepEqual([again.lines, again.notes], [[], []]);
  });

  test(`${name}: grows with new numbers, which fstab would be told`, { skip }, async (t) => {
    const { disk, digest } = imageOf(t, kind);
    const before = [uuidOf(disk, 1), uuidOf(disk, 2)];
    disk.detach();
    disk.attach(larger(kind));
    const { renewed } = await fitDisk(disk.disk, renew, disk.machine(), progress);
    assertGrown(disk, kind, digest);
    disk.run("fsck.fat", "-n", disk.partition(1));
    for (const [index, old] of before.entries()) {
      assert.equal(renewed.get(old.toLowerCase()), uuidOf(disk, index + 1));
      assert.notEqual(uuidOf(disk, index + 1), old);
    }
    const again = await fitDisk(disk.disk, renew, disk.machine(), progress);
    assert.deepEqual([again.renewed.size, again.lines], [0, []]);
  });

  test(`${name}: restored once more over what was grown, as after a power cut, it is fitted again`, {
    skip,
  }, async (t) => {
    const { disk, digest } = imageOf(t, kind);
    const uuid = uuidOf(disk, 2);
    disk.detach();
    const image = `${disk.file}.image`;
    disk.run("cp", "--sparse=always", disk.file, image);
    disk.attach(larger(kind));
    const first = await fitDisk(disk.disk, renew, disk.machine(), progress);
    disk.mounted(2, kind.fileSystem, (root) => writeFileSync(join(root, "named"), randomBytes(3 * MEBIBYTE)));
    await restoreWhatIsUsed(image, disk.device);
    // The kernel's view is still that of the grown table, as it never is after a start.
    disk.detach();
    disk.attach(larger(kind));
    assert.equal(uuidOf(disk, 2), uuid);
    const second = await fitDisk(disk.disk, renew, disk.machine(), progress);
    assert.deepEqual(second, first);
    assertGrown(disk, kind, digest);
  });

  // Its tools are those of ext4.
  if (kind.fileSystem === "ext3") continue;
  test(`${name}: the power fails before or after any tool; the next run comes through`, { skip }, async (t) => {
    const { disk, digest } = imageOf(t, kind);
    disk.detach();
    const image = `${disk.file}.image`;
    disk.run("cp", "--sparse=always", disk.file, image);
    let hasRun = true;
    for (let call = 0; hasRun; call += 1) {
      for (const moment of ["before", "after"] as const) {
        disk.run("cp", "--sparse=always", image, disk.file);
        disk.attach(larger(kind));
        const { cutTools, wasCut } = cut(call, moment);
        await fitDisk(disk.disk, grow, disk.machine(cutTools), progress).catch((error: unknown) => {
          assert(wasCut(), String(error));
        });
        hasRun = wasCut();
        disk.loseMounts();
        disk.detach();
        disk.attach(larger(kind));
        await fitDisk(disk.disk, grow, disk.machine(), progress);
        assertGrown(disk, kind, digest);
        disk.detach();
        if (!hasRun) break;
      }
    }
  });
}

/** What the image keeps of its cells; in free space of a file system whatever was there stays. */
async function restoreWhatIsUsed(image: string, device: string): Promise<void> {
  const from = new FileDisk(image);
  const to = new FileDisk(device);
  const { isUnused } = await findUnusedCells(from, await readDiskLayout(from));
  for (let at = 0; at < from.sizeBytes; at += CELL_BYTES) {
    if (!isUnused(at / CELL_BYTES)) await to.write(at, await from.read(at, CELL_BYTES));
  }
  to.sync();
  from.close();
  to.close();
}

/** Those after which something is another than before. */
const changing = ["e2fsck", "resize2fs", "mount", "xfs_growfs", "btrfs", "ntfsresize"];

/** Tools that end in a failure at one of their calls: before it, or when it has done its work. */
function cut(call: number, moment: "before" | "after"): { cutTools: Tools; wasCut: () => boolean } {
  let calls = 0;
  let wasCut = false;
  const cutTools: Tools = {
    async run(command, args, options) {
      const isThis = changing.includes(command) && calls++ === call;
      if (isThis) wasCut = true;
      if (isThis && moment === "before") throw new Error("the power failed");
      const said = await tools.run(command, args, options);
      if (isThis) throw new Error("the power failed");
      return said;
    },
  };
  return { cutTools, wasCut: () => wasCut };
}

test("a damaged file system is left as it is, with the reason; the table fits all the same", { skip }, async (t) => {
  const { disk } = imageOf(t, kinds[0]!);
  // The root directory is no directory any more: nothing that may be mended without asking.
  disk.run("debugfs", "-w", "-R", "set_inode_field <2> mode 0100644", disk.partition(2));
  disk.detach();
  disk.attach(larger(kinds[0]!));
  const { notes } = await fitDisk(disk.disk, renew, disk.machine(), progress);
  assert.match(notes.join("\n"), /Nothing grew.*partition \(2\) is not sound \(e2fsck failed/);
  assert.match(notes.join("\n"), /Partition 2 \(ext4\) keeps its number/);
  assert.match(disk.run("sgdisk", "--verify", disk.device), /No problems found/);
  assert.equal(Number(disk.run("blockdev", "--getsize64", disk.partition(2))), 40 * MEBIBYTE);
});

test("a hibernated Windows, as fast start-up leaves it, finds its disk as it was", { skip }, async (t) => {
  const kind = kinds.find(({ fileSystem }) => fileSystem === "ntfs")!;
  const { disk } = imageOf(t, kind);
  const sleeping = Buffer.alloc(64 * 1024, "hibr", "latin1");
  disk.mounted(2, "ntfs", (root) => writeFileSync(join(root, "hiberfil.sys"), sleeping));
  disk.detach();
  disk.attach(larger(kind));
  const digest = () =>
    createHash("sha256")
      .update(readFileSync(disk.partition(2)))
      .digest("hex");
  const before = digest();
  const { notes } = await fitDisk(disk.disk, renew, disk.machine(), progress);
  assert.match(notes.join("\n"), /Nothing grew.*partition \(2\) is left as it is: its Windows is hibernated/);
  assert.equal(digest(), before);
  assert.match(disk.run("sgdisk", "--verify", disk.device), /No problems found/);
});

test("an old layout: root, swap behind it in a logical partition, on an MBR", { skip }, async (t) => {
  const disk = new LoopDisk(t);
  disk.attach(64);
  disk.table("label: dos\nsize=40MiB, type=83, bootable\nsize=18MiB, type=5\nstart=43MiB, size=16MiB, type=82\n");
  disk.run("mkfs.ext4", "-q", disk.partition(1));
  disk.run("mkswap", "-q", "-L", "pages", disk.partition(5));
  const digest = disk.mounted(1, "ext4", fill);
  const swap = uuidOf(disk, 5);
  disk.detach();
  disk.attach(300);
  const { lines } = await fitDisk(disk.disk, grow, disk.machine(), progress);
  assert.equal(lines.length, 3, lines.join("\n"));
  assert.match(disk.run("sfdisk", "--verify", disk.device), /No errors detected/);
  disk.run("e2fsck", "-f", "-n", disk.partition(1));
  assert.equal(uuidOf(disk, 5), swap);
  assert.equal(Number(disk.run("blockdev", "--getsize64", disk.partition(5))), 16 * MEBIBYTE);
  disk.mounted(1, "ext4", (root) => {
    assertHolds(root, digest);
    assert(statfsSync(root).blocks * statfsSync(root).bsize > 250 * MEBIBYTE);
  });
});

test("data on FAT, and a file system without a table", { skip }, async (t) => {
  const fat = new LoopDisk(t);
  fat.attach(64);
  fat.table("label: dos\nsize=60MiB, type=c\n");
  fat.run("mkfs.fat", "-F", "32", fat.partition(1));
  fat.run("mcopy", "-i", fat.partition(1), "/etc/passwd", "::/passwd");
  fat.detach();
  fat.attach(600);
  await fitDisk(fat.disk, grow, fat.machine(), progress);
  assert.match(fat.run("fsck.fat", "-n", "-v", fat.partition(1)), /1 files/);
  assert.equal(fat.run("mtype", "-i", fat.partition(1), "::/passwd"), readFileSync("/etc/passwd", "utf8"));

  const whole = new LoopDisk(t);
  whole.attach(40);
  whole.run("mkfs.ext4", "-q", whole.device);
  whole.detach();
  whole.attach(200);
  const { lines } = await fitDisk(whole.disk, grow, whole.machine(), progress);
  assert.match(lines.join(), /the disk's ext4 grows to 200.0 MiB/);
  whole.run("e2fsck", "-f", "-n", whole.device);
});

test("sectors of 4096 bytes", { skip }, async (t) => {
  const disk = new LoopDisk(t, 4096);
  disk.attach(64);
  disk.table("label: gpt\nsize=50MiB, type=linux\n");
  disk.run("mkfs.ext4", "-q", disk.partition(1));
  disk.detach();
  disk.attach(300);
  await fitDisk(disk.disk, grow, disk.machine(), progress);
  disk.run("e2fsck", "-f", "-n", disk.partition(1));
  assert.equal(Number(disk.run("blockdev", "--getsize64", disk.partition(1))), 298 * MEBIBYTE);
  assert.match(disk.run("sfdisk", "--verify", disk.device), /No errors detected/);
});

test("a program that fails on the way ends the deploy, and says at which step", { skip }, async (t) => {
  const { disk } = imageOf(t, kinds[0]!);
  disk.detach();
  disk.attach(larger(kinds[0]!));
  const failing: Tools = {
    run: (command, args, options) =>
      command === "resize2fs"
        ? Promise.reject(new Fault("TOOL_FAILED", { what: "resize2fs failed.", why: "A bad block.", fix: "-" }))
        : tools.run(command, args, options),
  };
  await assert.rejects(fitDisk(disk.disk, grow, disk.machine(failing), progress), {
    code: "FIT_FAILED",
    what: /partition 2 \(ext4\) grows to/,
    why: /A bad block/,
  });
});
