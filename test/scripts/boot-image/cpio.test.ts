import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstat, mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type ArchiveEntry, encodeCpio } from "../../../scripts/boot-image/cpio.ts";

const directory = (path: string): ArchiveEntry => ({ path, type: "directory", permissions: 0o755 });
const file = (path: string, content: string, permissions = 0o644): ArchiveEntry => ({
  path,
  type: "file",
  permissions,
  content: Buffer.from(content),
});

test("one file: the bytes of GNU cpio", () => {
  // printf 'hello\n' >a; touch -d @0 a; echo a | cpio -o -H newc --reproducible -R 0:0
  // (GNU cpio 2.13, umask 022), without the zeros that fill its last block of 512.
  const golden = [
    "07070100000000000081A40000000000000000000000010000000000000006",
    `${"00000000".repeat(4)}0000000200000000a\0`,
    "hello\n\0\0",
    `070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000B00000000TRAILER!!!\0\0\0\0`,
  ].join("");
  assert.equal(Buffer.from(encodeCpio([file("a", "hello\n")])).toString("latin1"), golden);
});

test("an empty archive is the trailer alone, a multiple of four bytes", () => {
  const archive = encodeCpio([]);
  assert.equal(archive.length, 124);
  assert.match(Buffer.from(archive).toString("latin1"), /^070701.*TRAILER!!!\0+$/);
});

test("the order of the entries does not change the archive", () => {
  const entries = [
    directory("usr"),
    file("usr/b", "1"),
    file("usr-a", "2"),
    directory("usr/lib"),
    { path: "bin", type: "symlink", target: "usr/bin" } as const,
  ];
  assert.deepEqual(encodeCpio(entries.toReversed()), encodeCpio(entries));
});

for (const { name, entries } of [
  { name: "an absolute path", entries: [file("/a", "")] },
  { name: "a path that goes up", entries: [directory("a"), file("a/../b", "")] },
  { name: "an empty name", entries: [directory("a"), file("a//b", "")] },
  { name: "the name of the trailer", entries: [file("TRAILER!!!", "")] },
  { name: "the same path twice", entries: [file("a", "1"), file("a", "2")] },
  { name: "a file without its directory", entries: [file("a/b", "")] },
  { name: "a file inside a file", entries: [file("a", ""), file("a/b", "")] },
]) {
  test(`${name} is refused`, () => {
    assert.throws(() => encodeCpio(entries), { code: "ARCHIVE_INVALID" });
  });
}

test("GNU cpio unpacks what was packed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-cpio-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const name = fc.string({ unit: fc.constantFrom(..."abcxyz-_.é 0"), minLength: 1, maxLength: 12 }).filter((text) => {
    return text !== "." && text !== "..";
  });
  const contents = fc.dictionary(name, fc.uint8Array({ maxLength: 300 }), { maxKeys: 30, noNullPrototype: true });
  const [sample] = fc.sample(contents, { numRuns: 1, seed: 20 });
  const entries: ArchiveEntry[] = [
    directory("deep"),
    { path: "deep/link", type: "symlink", target: "../file target" },
    ...Object.entries(sample!).map(([path, content]): ArchiveEntry => {
      return { path: `deep/${path}`, type: "file", permissions: 0o751, content };
    }),
  ];
  const unpacked = spawnSync("cpio", ["-i", "-d", "--quiet", "--no-absolute-filenames"], {
    cwd: folder,
    input: encodeCpio(entries),
  });
  if (unpacked.error !== undefined) return t.skip("GNU cpio is not installed (scripts/boot-image/packages.txt)");
  assert.equal(`${unpacked.stderr}`, "");
  assert.equal(unpacked.status, 0);
  assert.equal(await readlink(join(folder, "deep/link")), "../file target");
  for (const [path, content] of Object.entries(sample!)) {
    assert.deepEqual(await readFile(join(folder, "deep", path)), Buffer.from(content));
    assert.equal((await lstat(join(folder, "deep", path))).mode & 0o777, 0o751);
  }
});
