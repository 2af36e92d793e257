import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { planFit } from "../../../images/disk-fit/plan.ts";
import { swapHeader } from "../../../images/disk-fit/swap-header.ts";
import { readVolumeFacts } from "../../../images/disk-fit/volume-facts.ts";
import { FileDisk, MEBIBYTE, ownWrites, writeUntil } from "./file-disk.ts";

const UUID = "0b1c2d3e-4f50-4162-8374-95a6b7c8d9ea";

const volumes: readonly {
  fileSystem: string;
  make: readonly [string, ...string[]];
  mebibytes: number;
  /** How much of the partition it takes, where that is not all of it. */
  size?: number;
  /** Undefined: a program renews it. */
  check?: readonly [string, ...string[]];
}[] = [
  { fileSystem: "ext4", make: ["mkfs.ext4", "-q", "-U", UUID], mebibytes: 16 },
  { fileSystem: "ext2", make: ["mkfs.ext2", "-q", "-b", "1024", "-U", UUID], mebibytes: 16 },
  { fileSystem: "xfs", make: ["mkfs.xfs", "-q", "-m", `uuid=${UUID}`], mebibytes: 320 },
  { fileSystem: "btrfs", make: ["mkfs.btrfs", "-q", "-U", UUID], mebibytes: 128 },
  { fileSystem: "ntfs", make: ["mkfs.ntfs", "-q", "-F"], mebibytes: 16, check: ["ntfsfix", "-n"] },
  { fileSystem: "vfat", make: ["mkfs.fat", "-F", "16"], mebibytes: 16, check: ["fsck.fat", "-n"] },
  { fileSystem: "vfat", make: ["mkfs.fat", "-F", "32"], mebibytes: 64, check: ["fsck.fat", "-n"] },
  { fileSystem: "swap", make: ["mkswap", "-q", "-U", UUID], mebibytes: 16, check: ["swaplabel"] },
];

for (const { fileSystem, make, mebibytes, check } of volumes) {
  test(`${make.join(" ")}: number and size as blkid says them; a new number where it is bytes alone`, async (t) => {
    const disk = FileDisk.make(t, mebibytes);
    execFileSync(make[0], [...make.slice(1), disk.path], { stdio: "ignore" });
    const place = { number: 0, startBytes: 0, sizeBytes: disk.sizeBytes, type: "", label: "", fileSystem };
    const facts = await readVolumeFacts(disk, place);
    const uuid = () => /^UUID=(.*)$/m.exec(disk.said("blkid", "-p", "-o", "export"))?.[1];
    assert.equal(facts.idText, uuid());
    assert.equal(facts.keeps, undefined);
    if (fileSystem !== "swap") {
      const missing = disk.sizeBytes - facts.sizeBytes!;
      assert(missing >= 0 && missing < MEBIBYTE, `${missing} bytes are not its own`);
    }
    const order = { grow: "keep", ids: "renew", seed: "12 52:54:00:00:00:07" } as const;
    const plan = await planFit(disk, 512, order);
    assert.deepEqual(
      plan.steps.map((step) => step.do),
      ["renew"],
    );
    const writes = ownWrites(plan);
    assert.equal(writes.length > 0, check !== undefined);
    if (check === undefined) return;
    await writeUntil(disk, writes, Number.POSITIVE_INFINITY);
    assert.equal(uuid(), plan.renewed.get(facts.idText!.toLowerCase()));
    assert.notEqual(uuid(), facts.idText);
    disk.said(...check);
    assert.deepEqual((await planFit(disk, 512, order)).steps, []);
  });
}

test("one file system without a partition table fills the disk", async (t) => {
  const disk = FileDisk.make(t, 16);
  execFileSync("mkfs.ext4", ["-q", disk.path], { stdio: "ignore" });
  disk.grow(64);
  const { scheme, steps } = await planFit(disk, 512, { grow: "last", ids: "keep", seed: "" });
  assert.equal(scheme, "none");
  const volume = { number: 0, fileSystem: "ext4", startBytes: 0, sizeBytes: 64 * MEBIBYTE };
  assert.deepEqual(steps, [{ do: "grow", volume, fromBytes: 16 * MEBIBYTE, deviceNumber: 1 }]);
});

test("swap of a machine that slept becomes plain swap; what is no swap is none", async (t) => {
  const disk = FileDisk.make(t, 1);
  execFileSync("mkswap", ["-q", "-U", UUID, "-L", "pages", disk.path], { stdio: "ignore" });
  const bytes = Buffer.from(await disk.read(0, 65536));
  bytes.write("S1SUSPEND\0", 4096 - 10, "latin1");
  const made = swapHeader(bytes, 8 * MEBIBYTE)!;
  disk.grow(8);
  await disk.write(0, made);
  const said = disk.said("blkid", "-p", "-o", "export");
  assert.match(said, /TYPE=swap\n/);
  assert.match(said, new RegExp(`UUID=${UUID}\n`));
  assert.equal(made.readUInt32LE(1028), 8 * 256 - 1);
  assert.equal(swapHeader(new Uint8Array(65536), MEBIBYTE), undefined);
  assert.equal(swapHeader(bytes, 8192), undefined);
});
