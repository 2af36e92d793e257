import assert from "node:assert/strict";
import { test } from "node:test";
import { keepsOf } from "../../../images/disk-fit/partition-kinds.ts";
import { planFit } from "../../../images/disk-fit/plan.ts";
import { FileDisk, MEBIBYTE } from "./file-disk.ts";

const order = { grow: "last", ids: "keep", seed: "a test" } as const;

test("what does not grow here is told with who makes it larger; nothing of it changes but the table's second copy", async (t) => {
  for (const [at, magic, words] of [
    [1024, "H+\0\x04", /partition \(2\) holds HFS\+.*"diskutil resizeVolume VOLUME R"/],
    [32, "NXSB", /partition \(2\) holds APFS.*"diskutil apfs resizeContainer CONTAINER 0"/],
    [3, "EXFAT   ", /partition \(2\) holds exFAT, which no program makes larger/],
  ] as const) {
    const disk = FileDisk.make(t, 64, "label: gpt\nstart=1MiB, size=29MiB, type=linux\nstart=30MiB, size=30MiB\n");
    await disk.write(30 * MEBIBYTE + at, Buffer.from(magic, "latin1"));
    disk.grow(256);
    const { steps, volumes, notes } = await planFit(disk, 512, order);
    assert.deepEqual(
      steps.map(({ do: step }) => step),
      ["write-table"],
    );
    assert.equal(volumes.at(-1)?.sizeBytes, 30 * MEBIBYTE);
    assert.match(notes.join(" "), words);
    assert.match(notes.join(" "), /Nothing grew, and the end of the disk is not used/);
  }
});

test("only what can be grown here is", () => {
  for (const fileSystem of ["ext4", "xfs", "btrfs", "ntfs", "vfat"])
    assert.equal(keepsOf({ type: "", fileSystem }), undefined);
  for (const fileSystem of ["hfsplus", "hfsx", "apfs", "exfat", "f2fs", "luks", "iso9660", ""]) {
    assert.notEqual(keepsOf({ type: "", fileSystem }), undefined, fileSystem);
  }
});
