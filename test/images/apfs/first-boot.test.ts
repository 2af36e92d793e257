import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { readApfsVolumes } from "../../../images/apfs/container.ts";
import { type ApfsFirstBoot, apfsFirstBoot, FIRST_BOOT_JOB } from "../../../images/apfs/first-boot.ts";
import { hasPath } from "../../../images/apfs/paths.ts";
import { apfsWarnings } from "../../../images/apfs/warnings.ts";
import { Volume } from "../../../images/free-space/volume.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import { type MadeVolume, madeContainer } from "./made-container.ts";

const whole = (bytes: Uint8Array) => new Volume(new MemoryDisk(bytes), 0, bytes.length);

test("a container that macOS made: the paths that 7-Zip lists are there, and no others", {
  skip: samplesMissing,
}, async (t) => {
  const bytes = gunzipSync(readSample("hfs/macos-apfs-container.raw.gz"));
  const folder = mkdtempSync(join(tmpdir(), "bootcast-apfs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "container.apfs");
  writeFileSync(file, bytes);
  const listed = execFileSync("7zz", ["l", "-slt", "-ba", "-tAPFS", file], { encoding: "utf8" });
  const paths = [...listed.matchAll(/^Path = (.+)$/gm)].map(([, path]) => path!);
  const [volume] = await readApfsVolumes(whole(bytes));
  assert(volume !== undefined && paths.length > 3, listed);
  // 7-Zip shows attributes as files, behind a colon.
  for (const path of paths.filter((path) => !path.includes(":"))) {
    assert(await hasPath(volume, path.replace(/^root\//, "")), path);
  }
  for (const path of ["nothing", "Library", FIRST_BOOT_JOB]) assert.equal(await hasPath(volume, path), false, path);
  assert.deepEqual(await apfsFirstBoot(whole(bytes)), { has: "no system" });
});

const version = "System/Library/CoreServices/SystemVersion.plist";
const others = ["Users/ada/Documents", "Library/LaunchDaemons/com.example.plist", "private/etc/hosts"];
const cases: readonly (readonly [string, readonly MadeVolume[], ApfsFirstBoot["has"]])[] = [
  ["macOS 10.13 with the job", [{ paths: [...others, version, FIRST_BOOT_JOB] }], "job"],
  ["names without hashes", [{ paths: [...others, version, FIRST_BOOT_JOB], isPlain: true }], "job"],
  ["in other letters", [{ paths: [version, FIRST_BOOT_JOB.toUpperCase()] }], "job"],
  ["macOS 10.13 without it", [{ paths: [...others, version] }], "no job"],
  [
    "a system and its data",
    [
      { paths: [version], role: 1 },
      { paths: others, role: 0x40 },
    ],
    "no job",
  ],
  [
    "the job among the data",
    [
      { paths: [], role: 1 },
      { paths: [...others, FIRST_BOOT_JOB], role: 0x40 },
    ],
    "job",
  ],
  ["a disk of pictures", [{ paths: ["Pictures/one.jpeg"] }], "no system"],
  [
    "FileVault",
    [
      { paths: [version], role: 1 },
      { paths: [FIRST_BOOT_JOB], role: 0x40, isEncrypted: true },
    ],
    "unknown",
  ],
];
for (const [name, volumes, has] of cases) {
  test(`${name}: ${has}`, async () => {
    assert.equal((await apfsFirstBoot(whole(madeContainer(volumes)))).has, has);
  });
}

test("an image is told of with its partition, and what to do", async () => {
  for (const [, volumes, has] of cases) {
    const disk = new MemoryDisk(madeContainer(volumes));
    const warnings = await apfsWarnings(disk, await readDiskLayout(disk));
    assert.equal(warnings.length, has === "no job" || has === "unknown" ? 1 : 0);
    for (const warning of warnings)
      assert.match(warning, /^The file system \(apfs\).*bootcast image first-boot-job --out FOLDER/);
  }
});

test("what is damaged ends in a word, and in nothing else", async () => {
  const sound = madeContainer([{ paths: [...others, version] }]);
  // Up to the volume's tree.
  for (let cut = 0; cut < 13 * 4096; cut += 1024) {
    assert.equal((await apfsFirstBoot(whole(sound.subarray(0, cut)))).has, "unknown");
  }
  const change = fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const bytes = Buffer.from(sound);
      for (const { at, byte } of changes) bytes[at] = byte;
      const { has } = await apfsFirstBoot(whole(bytes));
      assert(["no job", "no system", "unknown"].includes(has), has);
    }),
  );
});
