import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { INVISIBLE_ITEMS, invisibleItems } from "../../../images/clean-up/invisible-items.ts";
import type { CleanUpStep } from "../../../images/clean-up/step.ts";
import { cleanUpSteps } from "../../../images/clean-up/steps.ts";
import { readHfsPlusFreeSpace } from "../../../images/free-space/hfs-plus.ts";
import { Implausible, Volume } from "../../../images/free-space/volume.ts";
import { cleanUpHfsPlus } from "../../../images/hfs-plus/clean-up.ts";
import { type TreeRecord, treeFile } from "../../../images/hfs-plus/tree-builder.ts";
import { OverlaySource } from "../../../images/overlay-source.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import { checkedVolume } from "./checked-volume.ts";
import { madeVolume } from "./made-volume.ts";

const systemVersion = (version: string) => ({
  path: "System/Library/CoreServices/SystemVersion.plist",
  content: `<key>ProductVersion</key><string>${version}</string>`,
});

async function cleaned(volume: Buffer, steps: readonly CleanUpStep[] = cleanUpSteps, atBytes = 0) {
  const before = Buffer.from(volume);
  const source = new MemoryDisk(volume);
  const disk = new OverlaySource(source, new MemoryDisk(new Uint8Array(volume.length)));
  const tag = {
    folders: ["Library/Logs", "private/var/log"],
    name: "bootcast-image.txt",
    text: "made\n",
    changedSeconds: 0,
  };
  const range = { startBytes: atBytes, endBytes: volume.length };
  const result = await cleanUpHfsPlus(source, disk, range, { steps, tag });
  assert(before.equals(volume), "the source stays as it is");
  const after = Buffer.from(await disk.read(atBytes, volume.length - atBytes));
  return { ...result, after, entries: checkedVolume(after) };
}

test("a Mac's volume is cleaned up: what was removed is gone, all else is as before, and the volume is whole", async () => {
  const files = Array.from({ length: 900 }, (_, index) => ({
    path: `Users/ann/${index % 3 === 0 ? "Library/Caches" : "Documents"}/file ${index} é.txt`,
    content: `content ${index}`.repeat(1 + (index % 500)),
  }));
  const volume = await madeVolume([
    systemVersion("10.4.11"),
    { path: "private/var/log/system.log", content: "now" },
    { path: "private/var/log/system.log.0.gz", content: "before" },
    { path: "private/etc/ssh_host_key", content: "secret" },
    { path: "private/tmp/inner/x", content: "x" },
    { path: "private/tmp/inner/deeper/y", content: "y" },
    { path: "etc", target: "private/etc" },
    { path: "mach_kernel", content: "kernel" },
    { path: "bin/sh", content: "sh" },
    { path: "Applications/Mail.app/x", content: "x" },
    ...files,
  ]);
  const before = checkedVolume(volume);
  const { changes, entries, tagFile, kept } = await cleaned(volume);
  assert.equal(tagFile, "private/var/log/bootcast-image.txt");
  assert.deepEqual(kept, []);
  const counts = [...Map.groupBy(changes, ({ step }) => step)].map(([step, { length }]) => `${step} ${length}`);
  assert.deepEqual(counts.sort(), [
    "caches 300",
    "invisible-items 5",
    "rotated-logs 1",
    "ssh-host-keys 1",
    "temporary-files 1",
  ]);
  const gone = /Caches\/|log\.0\.gz|ssh_host_key|private\/tmp\//;
  for (const [path, { content, record }] of before) {
    const found = entries.get(path);
    assert.equal(found === undefined, gone.test(path), path);
    if (found === undefined) continue;
    assert.deepEqual(found.content, content, path);
    const isHidden = (found.record.readUInt16BE(56) & 0x4000) !== 0;
    assert.equal(isHidden, INVISIBLE_ITEMS.includes(path.slice(1)), path);
    assert.deepEqual(found.record.subarray(8, 48), record.subarray(8, 48), path);
  }
  assert.equal(entries.get("/private/var/log/bootcast-image.txt")?.content?.toString(), "made\n");
  assert.match(entries.get("/.hidden")?.content?.toString() ?? "", /^bin\n/);
  assert.equal(entries.get("/.hidden")?.record.readUInt16BE(42), 0o100444);
  assert.equal(entries.size, before.size - 300 - 1 - 1 - 4 + 2);
});

test("names of shared files stay, with the folders around them, and are told", async () => {
  const volume = await madeVolume([
    { path: "private/tmp/a/shared", content: "shared", sharedAs: "1" },
    { path: "private/tmp/a/own", content: "own" },
    { path: "Users/shared", content: "shared", sharedAs: "1" },
  ]);
  const { entries, kept } = await cleaned(volume);
  assert.deepEqual(kept, ["private/tmp/a/shared"]);
  assert.equal(entries.get("/private/tmp/a/shared")?.content?.toString(), "shared");
  assert.equal(entries.has("/private/tmp/a/own"), false);
});

test("a second clean-up changes nothing but the tag file, and a volume without Mac OS X keeps its /bin shown", async () => {
  const volume = await madeVolume([
    systemVersion("10.4.2"),
    { path: "bin/sh", content: "sh" },
    { path: "Library/Logs/x", content: "" },
  ]);
  const first = await cleaned(volume);
  const second = await cleaned(first.after);
  assert.deepEqual([second.changes, second.tagFile], [[], "Library/Logs/bootcast-image.txt"]);
  assert.deepEqual([...second.entries.keys()].sort(), [...first.entries.keys()].sort());
  const later = await cleaned(await madeVolume([systemVersion("10.6.8"), { path: "bin/sh", content: "sh" }]));
  assert.deepEqual(
    later.changes.map(({ path }) => path),
    ["bin"],
  );
  assert.equal(later.entries.has("/.hidden"), false);
  const other = await cleaned(await madeVolume([{ path: "bin/sh", content: "sh" }]), [invisibleItems]);
  assert.deepEqual([other.changes, other.tagFile], [[], undefined]);
});

test("the Tiger volumes of the samples: fragmented, case-sensitive and journaled ones, too", {
  skip: samplesMissing,
}, async () => {
  for (const name of ["tiger", "tigerj", "hfsx", "many"]) {
    const volume = gunzipSync(readSample(`hfs/${name}.img.gz`));
    const before = checkedVolume(volume);
    const { entries, after, changes } = await cleaned(volume);
    assert.equal((await readHfsPlusFreeSpace(new Volume(new MemoryDisk(after), 0, after.length))).state, "known");
    for (const [path, { content }] of before) assert.deepEqual(entries.get(path)?.content, content, path);
    assert(
      changes.every(({ step }) => step === "invisible-items"),
      name,
    );
    if (name.startsWith("tiger")) {
      const hidden = [...entries.values()].filter(({ record }) => (record.readUInt16BE(56) & 0x4000) !== 0);
      assert(hidden.length >= 10 && entries.has("/.hidden"), `${hidden.length}`);
    }
  }
});

test("damage is told as such, or does no harm: never another error, and never for long", async () => {
  const files = Array.from({ length: 60 }, (_, index) => ({ path: `Users/ann/.Trash/${index}`, content: `${index}` }));
  const volume = await madeVolume([
    systemVersion("10.4.11"),
    { path: "private/var/log/a.1.gz", content: "old" },
    { path: "shared", content: "s", sharedAs: "1" },
    { path: "tmp/shared", content: "s", sharedAs: "1" },
    ...files,
  ]);
  const catalogAt = volume.readUInt32BE(1024 + 272 + 16) * 4096;
  const lists = volume.subarray(catalogAt, catalogAt + 4 * 8192);
  const random = seeded(20_261_122);
  let refused = 0;
  for (let round = 0; round < 400; round += 1) {
    const damaged = Buffer.from(volume);
    const isHeader = round % 4 === 0;
    for (let flip = 0; flip <= round % 3; flip += 1) {
      const at = isHeader ? 1024 + random(512) : catalogAt + random(lists.length);
      damaged[at]! ^= 1 << random(8);
    }
    const source = new MemoryDisk(damaged);
    const disk = new OverlaySource(source, new MemoryDisk(new Uint8Array(damaged.length)));
    try {
      await cleanUpHfsPlus(source, disk, { startBytes: 0, endBytes: damaged.length }, { steps: cleanUpSteps });
    } catch (error) {
      assert(error instanceof Implausible, `round ${round}: ${(error as Error).stack}`);
      refused += 1;
    }
  }
  assert(refused > 20, `${refused}`);
});

/** xorshift32: the same numbers on every machine. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test("a volume that macOS made: attributes and resource forks go with their files", {
  skip: samplesMissing,
}, async () => {
  const volume = gunzipSync(readSample("hfs/macos-hfsplus.raw.gz"));
  const everything: CleanUpStep = {
    name: "everything",
    does: "Removes every file that people see, and one folder.",
    on: ({ path, kind }) =>
      path === ".fseventsd" || (kind === "file" && !path.startsWith(".")) ? "remove" : undefined,
  };
  const before = checkedVolume(volume);
  const { entries } = await cleaned(volume, [everything]);
  assert(before.has("/a_directory/a_resourcefork") && before.has("/.fseventsd/fseventsd-uuid"));
  assert.deepEqual(
    [...entries.keys()].filter((path) => !path.includes("HFS+ Private")),
    ["/a_directory", "/a_link"],
  );
});

test("what lies in more than eight pieces becomes free with all of them, and others' pieces stay", async () => {
  const content = "0123456789abcdef".repeat(256);
  const volume = await madeVolume(
    ["Users/ann/.Trash/thrown away", "Users/ann/kept"].map((path) => ({ path, content: content.repeat(10) })),
  );
  const made = checkedVolume(volume);
  const records: TreeRecord[] = [];
  for (const path of ["/Users/ann/.Trash/thrown away", "/Users/ann/kept"]) {
    const { id, record } = made.get(path)!;
    const fork = volume.indexOf(record.subarray(0, 168)) + 88;
    const first = volume.readUInt32BE(fork + 16);
    // Ten pieces of a block each, of which eight stand in the catalog.
    for (let index = 0; index < 8; index += 1) {
      volume.writeUInt32BE(first + index, fork + 16 + index * 8);
      volume.writeUInt32BE(1, fork + 20 + index * 8);
    }
    const key = Buffer.from([0, 10, 0, 0, 0, 0, 0, id, 0, 0, 0, 8]);
    const data = Buffer.alloc(64);
    data.writeUInt32BE(first + 8, 0);
    data.writeUInt32BE(1, 4);
    data.writeUInt32BE(first + 9, 8);
    data.writeUInt32BE(1, 12);
    records.push({ key, data });
  }
  records.sort((one, other) => Buffer.compare(one.key, other.key));
  const shape = { nodeBytes: 4096, nodeCount: 4, maxKeyBytes: 10, attributes: 2, keyCompareType: 0 };
  volume.set(treeFile(records, shape), volume.readUInt32BE(1024 + 192 + 16) * 4096);
  const freeBefore = volume.readUInt32BE(1024 + 48);
  const { entries, after } = await cleaned(volume);
  assert.equal(entries.get("/Users/ann/kept")?.content?.toString(), content.repeat(10));
  assert.equal(entries.has("/Users/ann/.Trash/thrown away"), false);
  assert.equal(after.readUInt32BE(1024 + 48), freeBefore + 10);
});
