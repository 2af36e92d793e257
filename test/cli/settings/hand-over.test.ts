import assert from "node:assert/strict";
import { lchownSync } from "node:fs";
import { link, lstat, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { handOver } from "../../../cli/settings/hand-over.ts";
import { bootcast } from "../program.ts";

const skip = process.getuid?.() === 0 ? false : "Only root can give files away.";
const owner = { uid: 4711, gid: 4712 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bootcast-hand-over-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const ownerOf = async (path: string) => (await lstat(join(folder, path))).uid;

test("what root made in the data of another user is given to that user, and nothing else", { skip }, async () => {
  const outside = join(folder, "outside");
  const data = join(folder, "data");
  await mkdir(join(data, "store/packs"), { recursive: true });
  await writeFile(outside, "not part of it");
  await writeFile(join(data, "store/packs/new"), "");
  await writeFile(join(data, "theirs"), "");
  lchownSync(join(data, "theirs"), 1234, 1234);
  await symlink(outside, join(data, "link"));
  await link(outside, join(data, "second-name"));
  handOver(data, owner, 0);
  assert.equal(await ownerOf("data/store/packs/new"), owner.uid);
  assert.equal(await ownerOf("data/store"), owner.uid);
  assert.equal(await ownerOf("data/link"), owner.uid, "the link itself");
  assert.equal(await ownerOf("data/theirs"), 1234);
  assert.equal(await ownerOf("outside"), 0, "neither through a link nor by a second name");
});

test("a folder in which nothing changed since then is only walked through", { skip }, async () => {
  await mkdir(join(folder, "old/new"), { recursive: true });
  await writeFile(join(folder, "old/file"), "");
  await writeFile(join(folder, "old/new/file"), "");
  await utimes(join(folder, "old"), 1, 1);
  handOver(folder, owner, Date.now() - 60_000);
  assert.equal(await ownerOf("old/file"), 0);
  assert.equal(await ownerOf("old/new/file"), owner.uid);
});

test("a folder that is exchanged for a link is not followed", { skip }, async () => {
  await mkdir(join(folder, "target"));
  await writeFile(join(folder, "target/file"), "");
  await symlink(join(folder, "target"), join(folder, "data"));
  handOver(join(folder, "data"), owner, 0);
  assert.equal(await ownerOf("target/file"), 0);
});

test("what is not there any more is nobody's", { skip }, () => {
  handOver(join(folder, "absent"), owner, 0);
});

test("a command of root leaves nothing of root's in the data of the server's user", { skip }, async () => {
  lchownSync(folder, owner.uid, owner.gid);
  const { code, stderr } = await bootcast(["image", "keys", "make", "--data-dir", folder]);
  assert.equal(code, 0, stderr);
  assert.equal(await ownerOf("keys"), owner.uid);
  assert.equal(await ownerOf("keys/site.key"), owner.uid);
});
