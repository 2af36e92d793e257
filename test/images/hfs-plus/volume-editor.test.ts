import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BlockSource, BlockTarget } from "../../../images/block.ts";
import { toVolumeName } from "../../../images/hfs-plus/names.ts";
import { VolumeEditor } from "../../../images/hfs-plus/volume-editor.ts";
import { checkedVolume } from "./checked-volume.ts";
import { type MadeEntry, madeVolume } from "./made-volume.ts";

const MOST_BYTES = 1 << 20;

/** A disk in memory; `failsAfter` writes the power is gone. */
function diskOf(bytes: Buffer, failsAfter = Infinity): BlockSource & BlockTarget & { writes: number } {
  const disk = {
    sizeBytes: bytes.length,
    writes: 0,
    read: async (at: number, length: number) => Buffer.from(bytes.subarray(at, at + length)),
    async write(at: number, part: Uint8Array) {
      if (disk.writes >= failsAfter) throw new Error("the power is gone");
      disk.writes += 1;
      bytes.set(part, at);
    },
    flush: async () => undefined,
  };
  return disk;
}

async function edited(volume: Buffer, change: (editor: VolumeEditor) => Promise<void>): Promise<Buffer> {
  const after = Buffer.from(volume);
  const disk = diskOf(after);
  const editor = await VolumeEditor.open(disk, { startBytes: 0, endBytes: after.length });
  await change(editor);
  assert.deepEqual(after, volume, "nothing is on the disk before it is saved");
  await editor.save(disk, 1_200_000_000);
  return after;
}

const at = async (editor: VolumeEditor, path: string) => {
  const item = await editor.reader.at(path);
  assert(item !== undefined, `${path} is there`);
  return item;
};

const make = (kind: "file" | "link", text: string) => ({
  kind,
  mode: 0o640,
  bytes: Buffer.from(text),
  seconds: 1_150_000_000,
});

const entries: MadeEntry[] = [
  { path: "/Users/anna/notes.txt", content: "old notes", mode: 0o600, uid: 501 },
  { path: "/Users/anna/Bücher", content: "b" },
  { path: "/Users/anna/empty", content: "" },
  { path: "/etc", target: "private/etc" },
  { path: "/private/etc/hosts", content: "127.0.0.1 localhost\n" },
  { path: "/private/db/krb5kdc/deep/er/principal", content: "secret" },
  { path: "/shared-1", content: "one file", sharedAs: "s" },
  { path: "/shared-2", content: "one file", sharedAs: "s" },
];

test("files are written, made, renamed, copied, hidden and removed; a judge of its own finds nothing wrong", async () => {
  const volume = await madeVolume(entries, 4 << 20);
  const before = checkedVolume(volume);
  const after = await edited(volume, async (editor) => {
    const anna = await at(editor, "/Users/anna");
    await editor.write(await at(editor, "/Users/anna/notes.txt"), Buffer.from("x".repeat(9000)));
    await editor.write(await at(editor, "/USERS/Anna/EMPTY"), Buffer.from("filled"));
    await editor.write(await at(editor, "/private/etc/hosts"), Buffer.from("short"));
    await editor.write(await at(editor, "/shared-2"), Buffer.from("both names see it"));
    await editor.create(anna, toVolumeName("größer"), make("file", "new"));
    await editor.create(await at(editor, "/"), "link", make("link", "private/etc"));
    await editor.copy(await at(editor, "/Users/anna/notes.txt"), anna, "notes.txt.copy", MOST_BYTES);
    await editor.rename(await at(editor, "/Users/anna/Bücher"), await at(editor, "/private"), "Books");
    await editor.rename(await at(editor, "/private/db"), anna, "moved");
    await editor.remove(await at(editor, "/Users/anna/moved/krb5kdc"));
    await editor.hide(await at(editor, "/etc"));
  });
  const found = checkedVolume(after);
  const text = (path: string) => found.get(path)?.content?.toString();
  assert.equal(text("/Users/anna/notes.txt"), "x".repeat(9000));
  assert.equal(text("/Users/anna/notes.txt.copy"), "x".repeat(9000));
  assert.equal(text("/Users/anna/empty"), "filled");
  assert.equal(text("/private/etc/hosts"), "short");
  assert.equal(text("/shared-1"), "both names see it");
  assert.equal(text(`/Users/anna/${toVolumeName("größer")}`), "new");
  assert.equal(text("/link"), "private/etc");
  assert.equal(text("/private/Books"), "b");
  assert.deepEqual(
    [...found.keys()].filter((path) => path.startsWith("/Users/anna/moved")),
    ["/Users/anna/moved"],
  );
  assert.equal(found.get("/etc")?.record.readUInt16BE(56), 0x4000);
  const old = before.get("/Users/anna/notes.txt")!;
  for (const path of ["/Users/anna/notes.txt", "/Users/anna/notes.txt.copy"]) {
    const { record } = found.get(path)!;
    // Times, owner, group, flags and mode; only the number of the copy is another.
    assert.deepEqual(record.subarray(12, 48), old.record.subarray(12, 48), path);
  }
  assert.equal(found.get("/Users/anna/notes.txt")?.id, old.id);
});

test("what is not possible is refused, and the disk is as it was", async () => {
  const volume = await madeVolume(entries, 2 << 20);
  const refused = async (change: (editor: VolumeEditor) => Promise<void>, why: RegExp) => {
    const disk = diskOf(Buffer.from(volume), 0);
    const editor = await VolumeEditor.open(disk, { startBytes: 0, endBytes: volume.length });
    await assert.rejects(change(editor), { message: why });
  };
  await refused(async (editor) => editor.remove(await at(editor, "/shared-1")), /several names/);
  await refused(async (editor) => editor.create(await at(editor, "/"), "ETC", make("file", "")), /is taken/);
  await refused(
    async (editor) => editor.write(await at(editor, "/Users/anna/notes.txt"), Buffer.alloc(3 << 20)),
    /it is full/,
  );
});

test("until all of a change is on the disk the volume says that it was not unmounted", async () => {
  const volume = await madeVolume(entries, 1 << 20);
  const change = async (editor: VolumeEditor) => {
    const users = await at(editor, "/Users/anna");
    for (let number = 0; number < 8; number += 1)
      await editor.create(users, `file-${number}`, make("file", "x".repeat(number * 100)));
    await editor.remove(await at(editor, "/private/db"));
  };
  const whole = Buffer.from(volume);
  const counting = diskOf(whole);
  const first = await VolumeEditor.open(counting, { startBytes: 0, endBytes: whole.length });
  await change(first);
  await first.save(counting, 1_200_000_000);
  checkedVolume(whole);
  assert(counting.writes > 5);
  for (let cut = 0; cut < counting.writes; cut += 1) {
    const torn = Buffer.from(volume);
    const disk = diskOf(torn, cut);
    const editor = await VolumeEditor.open(disk, { startBytes: 0, endBytes: torn.length });
    await change(editor);
    await assert.rejects(editor.save(disk, 1_200_000_000), /the power is gone/);
    const isClean = (torn.readUInt32BE(1024 + 4) & 0x100) !== 0;
    assert.equal(isClean, cut === 0, `after ${cut} writes`);
    if (cut === 0) assert.deepEqual(torn, volume);
  }
});

test("hundreds of files in any order of changes: the trees stay sound, and hold what they should", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("make", "remove", "rename"), fc.nat(400), fc.nat(400)), {
        minLength: 1,
        maxLength: 250,
      }),
      async (steps) => {
        const start = Array.from({ length: 300 }, (_, index) => ({
          path: `/Folder/file with a rather long name ${index * 7}`,
          content: `content ${index}`,
        }));
        const volume = await madeVolume(start, 8 << 20);
        const expected = new Map(start.map(({ path, content }) => [path, content]));
        const after = await edited(volume, async (editor) => {
          for (const [kind, one, other] of steps) {
            const path = `/Folder/file with a rather long name ${one}`;
            const target = `/Folder/another file ${"y".repeat(other % 100)} ${other}`;
            const item = await editor.reader.at(path);
            assert.equal(item !== undefined, expected.has(path));
            const folder = await at(editor, "/Folder");
            if (kind === "make" && item === undefined) {
              await editor.create(folder, path.slice(8), make("file", `made ${one}`));
              expected.set(path, `made ${one}`);
            } else if (kind === "remove" && item !== undefined) {
              await editor.remove(item);
              expected.delete(path);
            } else if (kind === "rename" && item !== undefined && !expected.has(target)) {
              await editor.rename(item, folder, target.slice(8));
              expected.set(target, expected.get(path)!);
              expected.delete(path);
            }
          }
        });
        const found = checkedVolume(after);
        found.delete("/Folder");
        assert.deepEqual(new Map([...found].map(([path, { content }]) => [path, content?.toString()])), expected);
      },
    ),
    { numRuns: 25 },
  );
});

test("all files of a large folder go, and the tree becomes as low as it can be", async () => {
  const start = Array.from({ length: 500 }, (_, index) => ({ path: `/many/${"z".repeat(60)} ${index}`, content: "" }));
  const volume = await madeVolume(start);
  const after = await edited(volume, async (editor) => editor.remove(await at(editor, "/many")));
  assert.deepEqual([...checkedVolume(after).keys()], []);
});

test("a catalog that is full grows, up to what its volume has", async () => {
  const volume = await madeVolume(entries, 6 << 20);
  const catalogBytes = (bytes: Buffer) => Number(bytes.readBigUInt64BE(1024 + 272));
  const after = await edited(volume, async (editor) => {
    const users = await at(editor, "/Users");
    for (let number = 0; number < 1200; number += 1)
      await editor.create(users, `${"long name ".repeat(12)}${number}`, make("file", ""));
  });
  assert(catalogBytes(after) > catalogBytes(volume));
  assert.equal([...checkedVolume(after).keys()].filter((path) => path.startsWith("/Users/long name")).length, 1200);
});
