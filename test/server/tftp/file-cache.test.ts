import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type BootFile, findBootFile } from "../../../server/boot/files.ts";
import { FileCache } from "../../../server/tftp/file-cache.ts";

const root = await mkdtemp(join(tmpdir(), "bootcast-cache-"));
after(() => rm(root, { recursive: true, force: true }));

async function fileOf(name: string, content?: string): Promise<BootFile> {
  if (content !== undefined) {
    // Replaced as a whole, as the boot image builder does.
    await writeFile(join(root, `${name}.new`), content);
    await rename(join(root, `${name}.new`), join(root, name));
  }
  const file = await findBootFile(root, [name]);
  assert(file !== undefined);
  return file;
}

test("file cache: a room that starts at once costs one read", async () => {
  const cache = new FileCache();
  const file = await fileOf("room", "content");
  const all = await Promise.all(Array.from({ length: 60 }, () => cache.read(file)));
  assert(all.every((bytes) => Buffer.from(bytes).toString() === "content"));
  assert.equal(cache.reads, 1);
});

test("file cache: a replaced file is read again, even with the same length", async () => {
  const cache = new FileCache();
  await cache.read(await fileOf("replaced", "one"));
  assert.equal(Buffer.from(await cache.read(await fileOf("replaced", "two"))).toString(), "two");
  assert.equal(cache.reads, 2);
  assert.equal(cache.heldBytes, 3);
});

test("file cache: the longest unused goes first, and nothing larger than the whole is taken", async () => {
  const cache = new FileCache(10);
  const [a, b, c] = [await fileOf("a", "aaaa"), await fileOf("b", "bbbb"), await fileOf("c", "cccc")];
  await cache.read(a);
  await cache.read(b);
  await cache.read(a);
  await cache.read(c);
  assert.equal(cache.heldBytes, 8);
  await cache.read(a);
  assert.equal(cache.reads, 3);
  await cache.read(b);
  assert.equal(cache.reads, 4);
  await assert.rejects(cache.read(await fileOf("large", "12345678901")), { code: "BOOT_FILE_TOO_LARGE" });
});

test("file cache: a failed read is not remembered", async () => {
  const cache = new FileCache();
  const file = await fileOf("gone", "content");
  await rm(join(root, "gone"));
  await assert.rejects(cache.read(file), { code: "BOOT_FILE_UNREADABLE" });
  assert.equal(cache.heldBytes, 0);
});
