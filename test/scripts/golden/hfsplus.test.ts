import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { treeFile } from "../../../images/hfs-plus/tree-builder.ts";
import { hfsPlusVolume, type MacEntry } from "../../../scripts/golden/hfsplus.ts";
import { macVolume, masterHardwareUuid } from "../../../scripts/golden/mac-volume.ts";

const mebibyte = 1024 * 1024;

function volumeOf(entries: readonly MacEntry[]): Buffer {
  const about = { name: "Disk", dateSeconds: 0, volumeId: Buffer.alloc(8), blessed: "/none" };
  return Buffer.from(hfsPlusVolume({ ...about, sizeBytes: 4 * mebibyte, entries }));
}

/** Walks the catalog's leaves with nothing of the writer's but TN1150's offsets: parent and name to record. */
function catalogOf(volume: Buffer): { parentId: number; name: string; record: Buffer }[] {
  const start = volume.readUInt32BE(1024 + 272 + 16) * 4096;
  const nodeBytes = volume.readUInt16BE(start + 32);
  const node = (number: number) => volume.subarray(start + number * nodeBytes, start + (number + 1) * nodeBytes);
  const found = [];
  for (let number = node(0).readUInt32BE(14 + 10); number !== 0; number = node(number).readUInt32BE(0)) {
    const leaf = node(number);
    for (let index = 0; index < leaf.readUInt16BE(10); index += 1) {
      const at = leaf.readUInt16BE(nodeBytes - 2 * (index + 1));
      const end = leaf.readUInt16BE(nodeBytes - 2 * (index + 2));
      const keyBytes = leaf.readUInt16BE(at);
      const name = Buffer.from(leaf.subarray(at + 8, at + 2 + keyBytes))
        .swap16()
        .toString("utf16le");
      found.push({ parentId: leaf.readUInt32BE(at + 2), name, record: leaf.subarray(at + 2 + keyBytes, end) });
    }
  }
  return found;
}

test("the header, its copy and the block bitmap agree", () => {
  const volume = volumeOf([{ path: "/a/b.txt", content: "hello" }, { path: "/c" }, { path: "/link", target: "c" }]);
  const header = volume.subarray(1024, 1536);
  assert.deepEqual(volume.subarray(volume.length - 1024, volume.length - 512), header);
  assert.equal(header.toString("latin1", 0, 2), "H+");
  assert.equal(header.readUInt32BE(4), 0x100);
  assert.deepEqual([header.readUInt32BE(32), header.readUInt32BE(36)], [2, 2]);
  const total = header.readUInt32BE(44);
  assert.equal(total, 1024);
  const bitmap = volume.subarray(header.readUInt32BE(112 + 16) * 4096);
  const isUsed = (block: number) => (bitmap[block >> 3]! & (0x80 >> (block & 7))) !== 0;
  const free = Array.from({ length: total }, (_, block) => block).filter((block) => !isUsed(block));
  assert.equal(header.readUInt32BE(48), free.length);
  // What is free is empty.
  for (const block of free) assert(volume.subarray(block * 4096, (block + 1) * 4096).every((byte) => byte === 0));
});

test("every entry is found again, in the order of its key, with its thread, owner, mode and data", () => {
  const name = fc.stringMatching(/^[a-zA-Z.]{1,24}$/).filter((text) => text !== "." && text !== "..");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/f/${parts.join("/d/")}`);
  const content = fc.string({ unit: "grapheme-ascii", maxLength: 9_000 });
  const entry = fc.record({ path, content, mode: fc.integer({ min: 0, max: 0o777 }), uid: fc.nat(9_999) });
  const different = { minLength: 1, maxLength: 60, selector: ({ path }: { path: string }) => path.toLowerCase() };
  fc.assert(
    fc.property(fc.uniqueArray(entry, different), (entries) => {
      // A file cannot be another's folder.
      const kept = entries.filter(({ path: one }) => !entries.some(({ path: other }) => other.startsWith(`${one}/`)));
      const byCase = new Set(kept.flatMap(({ path }) => prefixes(path)));
      fc.pre(new Set([...byCase].map((text) => text.toLowerCase())).size === byCase.size);
      const volume = volumeOf(kept);
      const catalog = catalogOf(volume);
      const order = (a: (typeof catalog)[number], b: (typeof catalog)[number]) =>
        a.parentId - b.parentId || (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1);
      assert.deepEqual(catalog.toSorted(order), catalog);
      for (const { path, content, mode, uid } of kept) {
        const parts = path.split("/").slice(1);
        let parentId = 2;
        let record: Buffer | undefined;
        for (const part of parts) {
          record = catalog.find((one) => one.parentId === parentId && one.name === part)?.record;
          assert(record !== undefined, `${path}: ${part}`);
          parentId = record.readUInt32BE(8);
          assert(catalog.some((one) => one.parentId === parentId && one.name === ""));
        }
        assert(record !== undefined);
        assert.equal(record.readUInt16BE(42), 0o100000 | mode);
        assert.equal(record.readUInt32BE(32), uid);
        const size = Number(record.readBigUInt64BE(88));
        const at = record.readUInt32BE(88 + 16) * 4096;
        assert.equal(volume.toString("latin1", at, at + size), content);
      }
    }),
    { numRuns: 30 },
  );
});

function prefixes(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 2).join("/"));
}

test("a tree of several levels leads to every leaf", () => {
  const records = Array.from({ length: 400 }, (_, index) => {
    const key = Buffer.alloc(12);
    key.writeUInt16BE(10, 0);
    key.writeUInt32BE(index, 2);
    return { key, data: Buffer.alloc(40, index) };
  });
  const shape = { nodeBytes: 512, nodeCount: 64, maxKeyBytes: 10, attributes: 2, keyCompareType: 0 };
  const file = Buffer.from(treeFile(records, shape));
  const [depth, root, count] = [file.readUInt16BE(14), file.readUInt32BE(16), file.readUInt32BE(20)];
  assert.equal(depth, 3);
  assert.equal(count, 400);
  const walk = (number: number): number[] => {
    const node = file.subarray(number * 512, (number + 1) * 512);
    const keys = Array.from({ length: node.readUInt16BE(10) }, (_, index) => node.readUInt16BE(512 - 2 * (index + 1)));
    if (node.readInt8(8) === -1) return keys.map((at) => node.readUInt32BE(at + 2));
    return keys.flatMap((at) => walk(node.readUInt32BE(at + 12)));
  };
  assert.deepEqual(
    walk(root),
    Array.from({ length: 400 }, (_, index) => index),
  );
  assert.throws(() => treeFile(records, { ...shape, nodeCount: 4 }), /too small/);
});

test("the golden Mac says 10.8 and has the master's id in its ByHost names", () => {
  const volume = Buffer.from(macVolume(8 * mebibyte));
  const catalog = catalogOf(volume);
  const byHost = catalog.filter(({ name }) => name.includes(masterHardwareUuid)).map(({ name }) => name);
  assert.deepEqual(byHost.toSorted(), [
    `.GlobalPreferences.${masterHardwareUuid}.plist`,
    `com.apple.menuextra.battery.${masterHardwareUuid}.plist`,
    `com.apple.screensaver.${masterHardwareUuid}.plist`,
    `com.apple.screensaver.${masterHardwareUuid}.plist.lockfile`,
  ]);
  const version = catalog.find(({ name }) => name === "SystemVersion.plist")?.record;
  const at = (version?.readUInt32BE(88 + 16) ?? 0) * 4096;
  assert.match(volume.toString("latin1", at, at + 4096), /<key>ProductVersion<\/key><string>10\.8<\/string>/);
});
