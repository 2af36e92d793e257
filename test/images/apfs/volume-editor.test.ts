import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { readApfsVolumes } from "../../../images/apfs/container.ts";
import { inodeRecord, nameRecord } from "../../../images/apfs/file-records.ts";
import { lengthAndHashOf } from "../../../images/apfs/names.ts";
import { hasPath } from "../../../images/apfs/paths.ts";
import { Implausible } from "../../../images/free-space/volume.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import {
  complaintsOf,
  containerWithSnapshot,
  contentOf,
  emptyContainer,
  type NewFile,
  save,
  wholeOf,
  withFiles,
} from "./mkapfs.ts";

const anyCase = { isCaseSensitive: false };

/** As they stand in a container that macOS made (`macos-apfs-container.raw.gz` of dfvfs). */
const hashes: readonly (readonly [string, string])[] = [
  ["private-dir", "0c8ca6ac"],
  ["root", "05e471b6"],
  ["passwords.txt", "0e8ca259"],
  ["a_directory", "0cc89b7f"],
  [".fseventsd", "0b14be9c"],
  ["a_resourcefork", "0f44661d"],
  ["another_file", "0d989a96"],
  ["a_file", "07d84bd1"],
  ["fseventsd-uuid", "0f141211"],
  ["000000001714941a", "1124e442"],
];
test("length and hash of a name are those that macOS wrote", () => {
  const hexOf = (name: string) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(lengthAndHashOf(name, anyCase));
    return bytes.toString("hex");
  };
  for (const [name, hex] of hashes) assert.equal(hexOf(name), hex, name);
  assert.equal(lengthAndHashOf("Library", anyCase), lengthAndHashOf("LIBRARY", anyCase));
  const exact = { isCaseSensitive: true };
  assert.notEqual(lengthAndHashOf("Library", exact), lengthAndHashOf("LIBRARY", exact));
});

test("the records of a folder are those that macOS wrote, but for its owner", () => {
  const now = 0x16ca11fa60e316bdn;
  const entry = { kind: "folder", id: 16, parentId: 2, name: "a_directory", rule: anyCase, now } as const;
  const { key, value } = nameRecord(entry);
  assert.equal(key.toString("hex"), "02000000000000900cc89b7f615f6469726563746f727900");
  assert.equal(value.toString("hex"), "1000000000000000bd16e360fa11ca160400");
  const inode = inodeRecord(entry);
  assert.equal(inode.key.toString("hex"), "1000000000000030");
  const time = "bd16e360fa11ca16";
  const owner = "0000000000000000";
  assert.equal(
    inode.value.toString("hex"),
    `02000000000000001000000000000000${time.repeat(4)}0080000000000000000000000000000001000000` +
      `00000000${owner}ed4100000000000000000000` +
      "0100100004020c00615f6469726563746f72790000000000",
  );
});

const one: NewFile = { path: "Library/LaunchDaemons/one.plist", content: Buffer.from("one ".repeat(900)) };

for (const options of [[], ["-s"]]) {
  test(`a file and its folders: apfsck finds nothing, 7-Zip reads it (mkapfs ${options.join(" ")})`, async (t) => {
    const disk = emptyContainer(t, ...options);
    assert.equal(complaintsOf(disk), "");
    await save(disk, await withFiles(disk, [one]));
    assert.equal(complaintsOf(disk), "");
    assert.equal(contentOf(disk, "one.plist"), "one ".repeat(900));
    // And again, on what was written.
    await save(disk, await withFiles(disk, [{ ...one, path: "Library/LaunchDaemons/Two.plist" }]));
    assert.equal(complaintsOf(disk), "");
    const [volume] = await readApfsVolumes(wholeOf(disk));
    for (const path of ["Library", "Library/LaunchDaemons", one.path, "Library/LaunchDaemons/Two.plist"])
      assert(await hasPath(volume!, path), path);
  });
}

test("so many files that trees and the map of objects grow by levels", async (t) => {
  const disk = emptyContainer(t);
  // One record of them fills a node.
  const noise = (seed: number) =>
    Buffer.concat(Array.from({ length: 117 }, (_, part) => createHash("sha256").update(`${seed} ${part}`).digest()));
  const files = Array.from({ length: 125 }, (_, index) => ({
    path: `folder ${index % 5}/${createHash("sha256")
      .update(`${index}`)
      .digest("hex")
      .repeat(index % 3 === 0 ? 3 : 1)}`,
    content: noise(index),
  }));
  await save(disk, await withFiles(disk, files));
  assert.equal(complaintsOf(disk), "");
  const [volume] = await readApfsVolumes(wholeOf(disk));
  for (const { path } of files) assert(await hasPath(volume!, path), path);
  execFileSync("7zz", ["t", "-tAPFS", disk.path], { stdio: ["ignore", "ignore", "pipe"] });
});

test("a volume with a snapshot gets files; the snapshot stays what it was", async (t) => {
  const disk = await containerWithSnapshot(t);
  assert.equal(complaintsOf(disk), "");
  const staged = await withFiles(disk, [one]);
  // What the snapshot shares is not written to: among the blocks that change is no node older than it.
  const SNAPSHOT = 7n;
  for (const { at } of staged.changes()) {
    const before = Buffer.from(await disk.read(at, 4096));
    const isFileNode = [2, 3].includes(before.readUInt32LE(24)) && before.readUInt32LE(28) === 0x0e;
    assert(!isFileNode || before.readBigUInt64LE(16) > SNAPSHOT, `block ${at / 4096}`);
  }
  await save(disk, staged);
  assert.equal(complaintsOf(disk), "");
  const [volume] = await readApfsVolumes(wholeOf(disk));
  assert(await hasPath(volume!, one.path));
});

test("a container that macOS made keeps what is in it", { skip: samplesMissing }, async (t) => {
  const bytes = gunzipSync(readSample("hfs/macos-apfs-container.raw.gz"));
  const folder = mkdtempSync(join(tmpdir(), "bootcast-apfs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "container.apfs");
  const listed = (content: Uint8Array) => {
    writeFileSync(file, content);
    execFileSync("7zz", ["t", "-tAPFS", file], { stdio: ["ignore", "ignore", "pipe"] });
    const text = execFileSync("7zz", ["l", "-slt", "-ba", "-tAPFS", file], { encoding: "utf8" });
    return [...text.matchAll(/^Path = (.+)\nSize = (.*)$/gm)].map(([, path, size]) => `${path} ${size}`).sort();
  };
  const before = listed(bytes);
  const staged = await withFiles(new MemoryDisk(bytes), [one]);
  const after = Buffer.from(bytes);
  for (const { at, bytes: block } of staged.changes()) after.set(block, at);
  const added = ["Library ", "Library/LaunchDaemons ", `${one.path} 3600`];
  assert.deepEqual(listed(after), [...before, ...added].sort());
});

test("what is there is not replaced, and what does not fit is refused", async (t) => {
  const disk = emptyContainer(t);
  await save(disk, await withFiles(disk, [one]));
  const refused = async (file: NewFile, why: RegExp) =>
    assert.rejects(withFiles(disk, [file]), (error) => error instanceof Implausible && why.test(error.message));
  await refused({ ...one, path: one.path.toUpperCase() }, /there already/);
  await refused({ ...one, path: `${one.path}/below` }, /one\.plist in it is no folder/);
  const random = Buffer.concat(
    Array.from({ length: 130 }, (_, part) => createHash("sha256").update(`${part}`).digest()),
  );
  await refused({ path: "large", content: random }, /large is too large/);
});
