import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { CELL_BYTES, cellId } from "../../images/cell.ts";
import { CellMapBuilder } from "../../images/cell-map.ts";
import { type Manifest, rootOf } from "../../images/manifest.ts";
import {
  decodeManifest,
  decodeSummary,
  encodeManifest,
  PREFIX_BYTES,
  summaryBytes,
} from "../../images/manifest-codec.ts";
import { PackTable } from "../../images/pack-table.ts";
import { signDocument, TRAILER_BYTES } from "../../images/signature.ts";
import { layoutWithTable, sampleDisk, sampleDisks, scanToMemory } from "./sample-disk.ts";
import { testKey } from "./test-keys.ts";

const site = testKey(0x42);
const other = testKey(0x43);

// Written once by encodeManifest with the key `site` from `goldenManifest`.
const golden = Buffer.from(
  readFileSync(new URL("../vectors/images/manifest.hex", import.meta.url), "utf8").trim(),
  "hex",
);

function goldenManifest(): Manifest {
  const ids = ["a", "b", "c", "table"].map((text) => cellId(Buffer.from(text)));
  const table = PackTable.of([
    { digest: "11".repeat(32), storedBytes: 3000, cellIds: Buffer.concat(ids.slice(0, 3)) },
    { digest: "22".repeat(32), storedBytes: 400, cellIds: ids[3]! },
  ]);
  const cells = new CellMapBuilder();
  cells.data(3);
  cells.data(0, 3);
  cells.zero(100);
  cells.data(1);
  cells.unused(2);
  const map = cells.finish();
  const diskBytes = 106 * CELL_BYTES + 512;
  return {
    tag: { name: "lab-debian", version: 3, builder: "anna", createdAtMs: 1_700_000_000_000, notes: "Grüße" },
    diskBytes,
    sectorBytes: 512,
    scheme: "mbr",
    partitions: [{ number: 1, startBytes: 1 << 20, sizeBytes: 4 << 20, type: "83", label: "", fileSystem: "ext4" }],
    packs: table.entries,
    cellIds: table.cellIds,
    cells: map,
    tableCells: [0],
    root: rootOf(map, table.cellIds, diskBytes),
  };
}

test("the golden manifest is written byte for byte", () => {
  assert.equal(Buffer.from(encodeManifest(goldenManifest(), site.privateKey)).toString("hex"), golden.toString("hex"));
});

test("the golden manifest reads as what it was made from", () => {
  assert.deepEqual(plain(decodeManifest(golden, [other.publicKey, site.publicKey])), plain(goldenManifest()));
});

test("every cut of a manifest is refused", () => {
  for (let cut = 0; cut < golden.length; cut += 1)
    assert.throws(() => decodeManifest(golden.subarray(0, cut), [site.publicKey]), { code: "MANIFEST_TRUNCATED" });
});

test("every flipped bit of a manifest is refused", () => {
  for (let bit = 0; bit < golden.length * 8; bit += 1)
    assert.throws(() => decodeManifest(flipped(bit), [site.publicKey]), Fault, `bit ${bit}`);
});

test("bytes behind the end are refused", () => {
  const longer = Buffer.concat([golden, Buffer.alloc(1)]);
  assert.throws(() => decodeManifest(longer, [site.publicKey]), { code: "MANIFEST_INVALID" });
});

test("a manifest of another site is refused", () => {
  assert.throws(() => decodeManifest(golden, [other.publicKey]), { code: "MANIFEST_UNTRUSTED" });
  assert.throws(() => decodeManifest(golden, []), { code: "MANIFEST_UNTRUSTED" });
});

test("a signature of another document does not fit", () => {
  const bytes = Uint8Array.from(golden);
  const changed = encodeManifest(
    { ...goldenManifest(), tag: { ...goldenManifest().tag, version: 4 } },
    site.privateKey,
  );
  bytes.set(changed.subarray(-64), bytes.length - 64);
  assert.throws(() => decodeManifest(bytes, [site.publicKey]), { code: "MANIFEST_FORGED" });
});

test("any bytes are refused as a Fault", () => {
  const start = golden.subarray(0, 12);
  const any = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array({ maxLength: 400 }).map((rest) => Buffer.concat([start, rest])),
  );
  fc.assert(fc.property(any, (bytes) => void assert.throws(() => decodeManifest(bytes, [site.publicKey]), Fault)));
});

test("whatever the site's own key signed is read whole or refused as a Fault", () => {
  const change = fc.record({
    at: fc.nat({ max: golden.length - TRAILER_BYTES - 1 }),
    byte: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = Uint8Array.from(golden);
      for (const { at, byte } of changes) bytes[at] = byte;
      signDocument(bytes, site.privateKey);
      try {
        const manifest = decodeManifest(bytes, [site.publicKey]);
        assert.deepEqual(Buffer.from(encodeManifest(manifest, site.privateKey)), Buffer.from(bytes));
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("the manifest of any scanned disk comes back", async () => {
  await fc.assert(
    fc.asyncProperty(sampleDisks, async (disk) => {
      const { manifest } = await scanToMemory(disk);
      const bytes = encodeManifest(manifest, site.privateKey);
      assert.deepEqual(plain(decodeManifest(bytes, [site.publicKey])), plain(manifest));
    }),
    { numRuns: 30 },
  );
});

test("a list needs only the front of a manifest", () => {
  const front = golden.subarray(0, summaryBytes(golden.subarray(0, PREFIX_BYTES)));
  assert(front.length < golden.length / 2);
  const { tag, partitions } = goldenManifest();
  const summary = decodeSummary(front);
  assert.deepEqual([summary.tag, summary.partitions, summary.storedBytes, summary.packs], [tag, partitions, 3400, 2]);
  for (let cut = 0; cut < front.length; cut += 1)
    assert.throws(() => decodeSummary(front.subarray(0, cut)), { code: "MANIFEST_TRUNCATED" });
});

const broken: Record<string, (manifest: Manifest) => Manifest> = {
  "another root": (manifest) => ({ ...manifest, root: new Uint8Array(32) }),
  "a name that is a path": (manifest) => ({ ...manifest, tag: { ...manifest.tag, name: "../x" } }),
  "version 0": (manifest) => ({ ...manifest, tag: { ...manifest.tag, version: 0 } }),
  "a disk of another length": (manifest) => ({ ...manifest, diskBytes: manifest.diskBytes + CELL_BYTES }),
  "half a sector": (manifest) => ({ ...manifest, diskBytes: manifest.diskBytes - 256 }),
  "a sector size of 520": (manifest) => ({ ...manifest, sectorBytes: 520 }),
  "a partition behind the end": (manifest) => ({
    ...manifest,
    partitions: [{ ...manifest.partitions[0]!, sizeBytes: manifest.diskBytes }],
  }),
  "a table cell behind the end": (manifest) => ({ ...manifest, tableCells: [0, 107] }),
  "table cells out of order": (manifest) => ({ ...manifest, tableCells: [0, 0] }),
  "a table outside of the last pack": (manifest) => ({ ...manifest, tableCells: [1] }),
  "other cells in the table's packs": (manifest) =>
    withCells(manifest, (cells) => {
      cells.data(3);
      cells.data(0, 3);
      cells.zero(102);
      cells.data(3);
    }),
  "a cell that no pack holds": (manifest) =>
    withCells(manifest, (cells) => {
      cells.data(3);
      cells.data(4);
      cells.zero(105);
    }),
  "the short last cell in the middle of a pack": (manifest) =>
    withCells(manifest, (cells) => {
      cells.data(3);
      cells.zero(105);
      cells.data(1);
    }),
  "the short last cell in two places": (manifest) =>
    withCells(manifest, (cells) => {
      cells.data(3);
      cells.zero(104);
      cells.data(2);
      cells.data(2);
    }),
  "a pack of impossible size": (manifest) => withPacks(manifest, { storedBytes: 2_000_000 }),
  "a pack without cells": (manifest) => withPacks(manifest, { cellIds: new Uint8Array() }),
};

for (const [name, change] of Object.entries(broken)) {
  test(`a manifest with ${name} is refused`, () => {
    const manifest = goldenManifest();
    assert.doesNotThrow(() => encodeManifest(manifest, site.privateKey));
    assert.throws(() => encodeManifest(change(manifest), site.privateKey), { code: "MANIFEST_INVALID" });
  });
}

test("the root names every cell of the disk in order", async () => {
  const disk = sampleDisk("ab0a", 512);
  const { manifest } = await scanToMemory(disk, { layout: layoutWithTable([0]), isUnused: (cell) => cell === 1 });
  const cell = (number: number) => cellId(disk.bytes.subarray(number * CELL_BYTES, (number + 1) * CELL_BYTES));
  const ids = Buffer.concat([cell(0), Buffer.alloc(32), cell(2), cell(3)]);
  assert.deepEqual(Buffer.from(manifest.root), Buffer.from(cellId(ids)));
});

function withCells(manifest: Manifest, fill: (cells: CellMapBuilder) => void): Manifest {
  const builder = new CellMapBuilder();
  fill(builder);
  const cells = builder.finish();
  return { ...manifest, cells, root: rootOf(cells, manifest.cellIds, manifest.diskBytes) };
}

function withPacks(manifest: Manifest, change: Partial<Manifest["packs"][number]>): Manifest {
  const [first, ...rest] = manifest.packs.map(({ digest, storedBytes, firstStored, cellIds }) => ({
    ...{ digest, storedBytes, firstStored, cellIds },
  }));
  return { ...manifest, packs: [{ ...first!, ...change }, ...rest] };
}

function flipped(bit: number): Uint8Array {
  const bytes = Uint8Array.from(golden);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes;
}

/** A manifest as plain values that deepEqual compares. */
function plain(manifest: Manifest) {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return {
    ...manifest,
    packs: manifest.packs.map(({ digest, storedBytes, firstStored, cellIds }) => ({
      ...{ digest, storedBytes, firstStored, cellIds: hex(cellIds) },
    })),
    cellIds: hex(manifest.cellIds),
    cells: [...manifest.cells.runs()],
    root: hex(manifest.root),
  };
}
