import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { kernelHas, run } from "../../images/free-space/made-volumes.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { CreateRoom, needsExt4 } from "./create-room.ts";

const room = new CreateRoom();

test("a disk file becomes an image as it is, where nothing can be cleaned up or nothing shall be", async () => {
  const disk = room.path("disk.raw");
  fs.writeFileSync(disk, sampleDisk("?ab0ab?").bytes);
  for (const [version, words] of [[], ["--without", "caches"], ["--as-is"]].entries()) {
    const { code, stderr } = await room.create(disk, "--name", "disk", ...words);
    assert.equal(code, 0, stderr);
    assert(fs.readFileSync(await room.exported("disk", version + 1)).equals(fs.readFileSync(disk)));
  }
  const wrong = await room.create(disk, "--name", "disk", "--file-system", "hfsplus");
  assert.deepEqual([wrong.code, /\[USAGE\]/.test(wrong.stderr)], [2, true], wrong.stderr);
});

test("a disk file that is mounted read-write is refused, with the place where", {
  skip:
    needsExt4 ||
    (process.getuid?.() !== 0 && "mounting needs root") ||
    (!kernelHas("ext4") && "this kernel has no ext4") ||
    (!fs.existsSync("/dev/loop-control") && "this machine has no loop devices"),
}, async () => {
  const volume = room.path("mounted.raw");
  const point = room.path("point");
  fs.mkdirSync(point);
  fs.writeFileSync(volume, "");
  fs.truncateSync(volume, 8 << 20);
  run("mke2fs", "-q", "-F", "-t", "ext4", volume);
  run("mount", "-o", "loop", volume, point);
  try {
    const { code, stderr } = await room.create(volume, "--name", "busy");
    assert.equal(code, 5, stderr);
    assert.match(stderr, /\[SOURCE_IN_USE\]\n {2}why: \/dev\/loop\d+ is mounted at .*\/point\.\n {2}fix: umount /);
  } finally {
    run("umount", point);
  }
  assert.equal((await room.create(volume, "--name", "busy")).code, 0);
});

test("what cannot be made an image is refused with the reason, and nothing is left behind", async () => {
  const refusals: readonly (readonly [words: string[], exitCode: number, says: RegExp])[] = [
    [["/", "--name", "all"], 5, /\[FOLDER_REFUSED\].*running system/s],
    [[room.directory, "--name", "all"], 5, /\[FOLDER_REFUSED\].*work, where its copy would be made, lies in it/s],
    [["/proc/self", "--name", "all"], 5, /\[FOLDER_REFUSED\]/],
    [[room.path("none"), "--name", "all"], 1, /\[FILE_MISSING\]/],
    [[room.directory], 2, /\[USAGE\]/],
    [[], 2, /\[USAGE\]/],
    [[room.directory, "--name", "all", "--without", "cache"], 2, /\[CLEAN_UP_UNKNOWN\]/],
  ];
  const ends = await Promise.all(refusals.map(([words]) => room.create(...words)));
  for (const [index, { code, stderr }] of ends.entries()) {
    const [words, exitCode, says] = refusals[index]!;
    assert.equal(code, exitCode, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, says);
  }
  assert.deepEqual(fs.readdirSync(room.work), []);
});

test("--steps lists every step with what it does", async () => {
  const { code, stdout } = await room.create("--steps");
  assert.deepEqual([code, /^rotated-logs +Removes .*\n.*\ntag-file +Writes /s.test(stdout)], [0, true], stdout);
});
