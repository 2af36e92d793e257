import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";

/** A volume, and beside it a file that must never be reached from inside. */
function volume(t: { after(end: () => void): void }) {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-volume-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(directory, "outside"), "the agent's own");
  return { directory, root, files: new VolumeFiles(root) };
}

test("links lead where the restored system would be led, never out of the volume", async (t) => {
  const { directory, root, files } = volume(t);
  mkdirSync(join(root, "run"));
  symlinkSync("/run/hostname", join(root, "etc/hostname"));
  symlinkSync("../../../outside", join(root, "etc/up"));
  symlinkSync(join(directory, "outside"), join(root, "etc/absolute"));
  await files.write("/etc/hostname", "lab\n");
  assert.equal(readFileSync(join(root, "run/hostname"), "utf8"), "lab\n");
  assert(lstatSync(join(root, "etc/hostname")).isSymbolicLink());
  assert.equal(await files.readText("/etc/up"), undefined);
  assert.equal(await files.readText("/etc/absolute"), undefined);
  assert.equal(await files.readText("/../../outside"), undefined);
  await files.write("/etc/up", "inside");
  assert.equal(readFileSync(join(root, "outside"), "utf8"), "inside");
  assert.equal(readFileSync(join(directory, "outside"), "utf8"), "the agent's own");
});

test("a directory that is a link out is followed inside, too", async (t) => {
  const { directory, root, files } = volume(t);
  mkdirSync(join(directory, "ssh"));
  writeFileSync(join(directory, "ssh/key"), "keep");
  symlinkSync("../../ssh", join(root, "etc/ssh"));
  await files.remove("/etc/ssh/key");
  assert.equal(readFileSync(join(directory, "ssh/key"), "utf8"), "keep");
  assert.deepEqual(await files.list("/etc/ssh"), []);
});

test("links in a circle are refused", async (t) => {
  const { root, files } = volume(t);
  symlinkSync("b", join(root, "etc/a"));
  symlinkSync("a", join(root, "etc/b"));
  await assert.rejects(files.readText("/etc/a"), { code: "LINK_LOOP" });
});

test("a link out of the volume is not copied: its content is not the restored system's", async (t) => {
  const { directory, root, files } = volume(t);
  symlinkSync(join(directory, "outside"), join(root, "etc/link"));
  await assert.rejects(files.copy("/etc/link", "/etc/copy"), { code: "FILE_KIND" });
  assert.deepEqual(await files.list("/etc"), ["link"]);
});

test("removing a link removes the link", async (t) => {
  const { root, files } = volume(t);
  writeFileSync(join(root, "etc/real"), "keep");
  symlinkSync("real", join(root, "etc/link"));
  await files.remove("/etc/link");
  assert.deepEqual(await files.list("/etc"), ["real"]);
  await files.remove("/etc/nothing");
});

test("a file that is replaced keeps its mode", async (t) => {
  const { root, files } = volume(t);
  writeFileSync(join(root, "etc/secret"), "old");
  chmodSync(join(root, "etc/secret"), 0o640);
  await files.write("/etc/secret", "new");
  assert.equal(readFileSync(join(root, "etc/secret"), "utf8"), "new");
  assert.equal(lstatSync(join(root, "etc/secret")).mode & 0o7777, 0o640);
  assert.deepEqual(await files.list("/etc"), ["secret"]);
});

test("renaming and copying never replace anything, and a copy keeps mode and dates", async (t) => {
  const { root, files } = volume(t);
  writeFileSync(join(root, "etc/a"), "a", { mode: 0o600 });
  utimesSync(join(root, "etc/a"), 1000, 2000);
  writeFileSync(join(root, "etc/b"), "b");
  await assert.rejects(files.rename("/etc/a", "/etc/b"), { code: "FILE_EXISTS" });
  await assert.rejects(files.copy("/etc/a", "/etc/b"), { code: "FILE_EXISTS" });
  await files.copy("/etc/a", "/etc/c");
  await files.rename("/etc/b", "/etc/d");
  const copy = lstatSync(join(root, "etc/c"));
  assert.deepEqual([copy.mode & 0o777, copy.mtimeMs], [0o600, 2_000_000]);
  assert.deepEqual(await files.list("/etc"), ["a", "c", "d"]);
  assert.equal(readFileSync(join(root, "etc/d"), "utf8"), "b");
});

test("what is absent, a directory, or too large", async (t) => {
  const { root, files } = volume(t);
  assert.equal(await files.readText("/etc/none"), undefined);
  assert.equal(await files.readText("/etc"), undefined);
  assert.equal(await files.stat("/etc/none/deeper"), undefined);
  assert.equal(await files.exists("/etc"), true);
  writeFileSync(join(root, "etc/large"), Buffer.alloc(1024 * 1024 + 1));
  await assert.rejects(files.readText("/etc/large"), { code: "FILE_TOO_LARGE" });
});
