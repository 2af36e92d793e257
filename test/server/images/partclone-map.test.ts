import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { partcloneMaps } from "../../../server/images/partclone-map.ts";
import { btrfs, filesOf, hasProgram, makeVolume, run } from "../../images/free-space/made-volumes.ts";
import { restoreUsedOnly } from "../../images/free-space/used-only.ts";
import { readSample, samplesMissing } from "../../images/shared-data.ts";

const noPartclone = !hasProgram("partclone.btrfs") && "not installed: partclone";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("btrfs: restored from used cells only it is clean, with the same files", {
  skip: btrfs.skip || noPartclone,
}, async (t) => {
  const image = join(folderOf(t), "volume");
  makeVolume(btrfs, image, 12 << 20, 60 << 20);
  const otherMap = partcloneMaps(image, btrfs.sizeBytes);
  const { unused, readBytes, storedBytes } = await restoreUsedOnly(image, `${image}.restored`, {
    dirty: "refuse",
    otherMap,
  });
  assert.deepEqual(unused.warnings, []);
  btrfs.check(`${image}.restored`);
  assert.deepEqual(filesOf(btrfs, `${image}.restored`), filesOf(btrfs, image));
  assert(
    readBytes < btrfs.sizeBytes / 4 && storedBytes < btrfs.sizeBytes / 8,
    `${readBytes} read, ${storedBytes} stored`,
  );
});

test("btrfs in a partition is shown to partclone by a loop device, which goes again", {
  skip: btrfs.skip || noPartclone,
}, async (t) => {
  const image = join(folderOf(t), "disk");
  makeVolume(btrfs, image, 1 << 20, 1 << 20);
  const volume = readFileSync(image);
  const disk = Buffer.alloc(volume.length + (2 << 20));
  volume.copy(disk, 1 << 20);
  writeFileSync(image, disk);
  const range = { startBytes: 1 << 20, endBytes: (1 << 20) + volume.length };
  const free = await partcloneMaps(image, disk.length)("btrfs", range);
  assert.equal(free?.state, "known");
  let freeBytes = 0;
  if (free?.state === "known")
    for await (const { startBytes, endBytes } of free.ranges) {
      assert(startBytes >= range.startBytes && endBytes <= range.endBytes);
      freeBytes += endBytes - startBytes;
    }
  assert(freeBytes > volume.length / 2);
  assert.doesNotMatch(run("losetup", "--list"), new RegExp(image));
});

test("APFS of a Mac: most of it is free", { skip: samplesMissing || noPartclone }, async (t) => {
  const image = join(folderOf(t), "container");
  writeFileSync(image, gunzipSync(readSample("hfs/macos-apfs-container.raw.gz")));
  const sizeBytes = statSync(image).size;
  const restored = `${image}.restored`;
  const { unused } = await restoreUsedOnly(image, restored, { otherMap: partcloneMaps(image, sizeBytes) });
  assert(unused.count * 65536 > sizeBytes / 2, `${unused.count} cells`);
  if (hasProgram("7zz")) {
    const listed = (path: string) =>
      run("7zz", "l", "-slt", path)
        .replaceAll(restored, image)
        .replaceAll(/^.*Date.*$/gm, "");
    assert.equal(listed(restored), listed(image));
    run("7zz", "t", restored);
  }
});

test("without its map all of a file system is kept, and why is said", { skip: samplesMissing }, async (t) => {
  const image = join(folderOf(t), "container");
  const bytes = gunzipSync(readSample("hfs/macos-apfs-container.raw.gz"));
  writeFileSync(image, bytes);
  const whole = { startBytes: 0, endBytes: bytes.length };
  const reasonOf = async (path: string | undefined) => {
    const free = await partcloneMaps(path, bytes.length)("apfs", whole);
    return free?.state === "unknown" ? free.reason : assert.fail(free?.state);
  };
  assert.match(await reasonOf(undefined), /opens only raw disk images/);
  const { PATH } = process.env;
  const programs = folderOf(t);
  try {
    process.env["PATH"] = programs;
    assert.match(await reasonOf(image), /not installed/);
    for (const [script, reason] of [
      ["echo no such thing >&2; exit 1", /failed: no such thing/],
      ["echo partclone-image", /failed/],
      ["head -c 5000 /dev/zero", /failed/],
    ] as const) {
      writeFileSync(join(programs, "partclone.apfs"), `#!/bin/sh\nPATH=${PATH}\n${script}\n`);
      chmodSync(join(programs, "partclone.apfs"), 0o755);
      assert.match(await reasonOf(image), reason);
    }
  } finally {
    process.env["PATH"] = PATH;
  }
  assert.equal(await partcloneMaps(image, bytes.length)("ntfs", whole), undefined);
});
