import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CELL_BYTES } from "../../../images/cell.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { differingCells } from "../../../images/verify.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { exportImage } from "../../../server/store/image-export.ts";
import { importImage } from "../../../server/store/image-import.ts";
import { MemoryDisk } from "../../images/memory.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { afterFivePacks, CaptureSite, counted } from "./capture-site.ts";

/** Content that does not shrink, so that bytes sent are bytes counted. */
function noisyDisk(cells: number, seed: string): MemoryDisk {
  const key = createHash("sha256").update(seed).digest();
  const bytes = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(new Uint8Array(cells * CELL_BYTES));
  // No boot sector by chance.
  bytes.fill(0, 510, 512);
  return new MemoryDisk(bytes);
}

async function differing(manifest: Manifest, disk: MemoryDisk): Promise<number[]> {
  const cells: number[] = [];
  for await (const cell of differingCells(manifest, disk)) cells.push(cell);
  return cells;
}

const fileSource = (disk: MemoryDisk) => ({
  sizeBytes: disk.sizeBytes,
  sectorBytes: 512,
  read: (offset: number, length: number) => disk.read(offset, length),
  close: async () => undefined,
});

test("a disk that was captured is exported the same; its image says who, when and what", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = sampleDisk(`?ab${"0".repeat(100)}ab${"?".repeat(40)}`, 1024);
  const { host, deployId } = await site.begin(1, disk.sizeBytes, { image: "kiosk", notes: "as it left the shop" });
  const { imageVersion } = await site.capture(disk, host, deployId);
  assert.equal(imageVersion, 1);
  const { manifest } = await site.store.readManifest("kiosk");
  assert.deepEqual(manifest.tag, {
    name: "kiosk",
    version: 1,
    builder: `captured from lab-01, session ${deployId}`,
    createdAtMs: site.core.nowMs,
    notes: "as it left the shop",
  });
  assert.deepEqual(await checkImage(site.store, manifest), []);
  const copy = join(site.directory, "copy.raw");
  await exportImage(site.store, manifest, copy, { format: "raw" });
  assert(Buffer.from(disk.bytes).equals(await readFile(copy)));

  assert.equal((await site.core.sessions.show(deployId)).imageVersion, 1);
  await site.core.report(host.hostId, "rebooting", deployId);
  const session = await site.core.sessions.show(deployId);
  assert.deepEqual([session.kind, session.state, session.hosts[0]?.order], ["capture", "done", "done"]);
  assert.equal((await site.core.orders.orderFor(host.hostId, "")).kind, "boot-disk");
});

test("captured and imported, a disk becomes the same image of the same packs", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = sampleDisk(`ab${"?".repeat(70)}00cc?`);
  const { store, siteKey } = site;
  const { host, deployId } = await site.begin(1, disk.sizeBytes);
  await site.capture(disk, host, deployId);
  const imported = await importImage({ store, siteKey, source: fileSource(disk), name: "imported", notes: "", now: 1 });
  const { manifest } = await store.readManifest("lab-01");
  assert.deepEqual(manifest.root, imported.manifest.root);
  assert.deepEqual(
    manifest.packs.map(({ digest }) => digest),
    imported.manifest.packs.map(({ digest }) => digest),
  );
  assert.equal(imported.writtenBytes, 0);
});

for (const isSealed of [false, true]) {
  const the = isSealed ? "a sealed" : "the";
  test(`only cells that ${the} store lacks are sent: of a pack, of another image, of a disk that moved`, async (t) => {
    const site = await CaptureSite.open(t, { isSealed });
    const disk = noisyDisk(64, "golden");
    const { store, siteKey } = site;
    await importImage({ store, siteKey, source: fileSource(disk), name: "golden", notes: "", now: 1 });

    const changed = new MemoryDisk(disk.bytes.slice());
    changed.bytes.fill(7, 20 * CELL_BYTES, 20 * CELL_BYTES + 4096);
    // Cells 40 and 41 change places: no pack has them so, and both are known.
    changed.bytes.set(disk.bytes.subarray(40 * CELL_BYTES, 41 * CELL_BYTES), 41 * CELL_BYTES);
    changed.bytes.set(disk.bytes.subarray(41 * CELL_BYTES, 42 * CELL_BYTES), 40 * CELL_BYTES);
    const { host, deployId } = await site.begin(1, changed.sizeBytes);
    const { client, counts } = counted(site.client(host, deployId));
    await site.capture(changed, host, deployId, { client });
    assert.equal(counts.packs, 2);
    assert(counts.bytes > CELL_BYTES * 0.9 && counts.bytes < CELL_BYTES + 4096, `${counts.bytes} bytes sent`);
    const { manifest } = await store.readManifest("lab-01");
    assert.deepEqual(await differing(manifest, changed), []);
    assert.deepEqual(await checkImage(store, manifest), []);
    const forms = await Promise.all(manifest.packs.map(({ digest }) => store.formOf(digest)));
    assert(forms.every((form) => (form !== "plain") === isSealed));
  });
}

for (const [what, isRestarted, isSealed] of [
  ["the host's power is cut", false, false],
  ["the host's power is cut, and the server was killed meanwhile", true, false],
  ["the host's power is cut, and the server of a sealed store was killed meanwhile", true, true],
] as const) {
  test(`${what}: the second time only the rest is sent`, async (t) => {
    const site = await CaptureSite.open(t, { isSealed });
    const disk = noisyDisk(16 * 12, "power");
    const { host, deployId } = await site.begin(1, disk.sizeBytes);
    const off = new AbortController();
    const first = afterFivePacks(site.client(host, deployId, off.signal), async () => {
      off.abort(new Error("dark"));
      throw off.signal.reason;
    });
    await assert.rejects(site.capture(disk, host, deployId, { client: first.client, signal: off.signal }), /dark/);
    if (isRestarted) await site.restart();

    // It starts again, which takes its time, registers, and is given the same order.
    site.core.nowMs += 15_000;
    const inventory = (await site.core.hosts.find(host.hostId)).inventory;
    const again = await site.core.hosts.register(inventory);
    const order = await site.core.orders.orderFor(again.hostId, "");
    assert(order.kind === "capture" && order.deployId === String(deployId));
    await site.core.report(again.hostId, "capturing", deployId);
    const second = counted(site.client(again, deployId));
    await site.capture(disk, again, deployId, { client: second.client });
    assert.deepEqual([first.counts.packs, second.counts.packs], [5, 13 - 5]);
    assert(first.counts.bytes + second.counts.bytes <= disk.sizeBytes + 20_000);
    const { manifest } = await site.store.readManifest("lab-01");
    assert.deepEqual(await differing(manifest, disk), []);
    t.diagnostic(`bytes sent first ${first.counts.bytes}, then ${second.counts.bytes}, of ${disk.sizeBytes}`);
  });
}

test("a server that is killed while the manifest arrives gets it from the beginning; finished twice it is one version", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = noisyDisk(40, "restart");
  const { host, deployId } = await site.begin(1, disk.sizeBytes);
  const client = site.client(host, deployId);
  await site.capture(disk, host, deployId, { client: { ...client, close: async () => undefined } });
  const finish = { manifestBytes: 1, manifestDigest: "0".repeat(64) };
  assert.deepEqual(await client.finish(finish), { state: "made", image: "lab-01", imageVersion: 1 });

  const next = await site.begin(2, disk.sizeBytes, { image: "lab-01" });
  const gap = site.client(next.host, next.deployId);
  assert.deepEqual(await gap.put(0, new Uint8Array(100)), { bytes: 100 });
  await site.restart();
  assert.deepEqual(await gap.put(100, new Uint8Array(50)), { bytes: 0 }, "a gap is not taken");
  assert.equal((await site.capture(disk, next.host, next.deployId, { client: gap })).imageVersion, 2);
  await client.close();
});

test("the server was killed after the version was written: it is not made a second time", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = noisyDisk(20, "killed");
  const { host, deployId } = await site.begin(1, disk.sizeBytes);
  await site.capture(disk, host, deployId);
  await site.core.db.updateTable("deploys").set({ image_version: 0 }).where("id", "=", deployId).execute();
  await site.restart();
  assert.equal((await site.capture(disk, host, deployId)).imageVersion, 1);
  assert.deepEqual(await site.store.versions("lab-01"), [1]);
});

test("several hosts at once, into one image and others: each gets its version, and nothing is mixed up", async (t) => {
  const site = await CaptureSite.open(t);
  const disks = ["a", "b", "c"].map((seed) => noisyDisk(36, seed));
  const made = await Promise.all(
    disks.map(async (disk, at) => {
      const { host, deployId } = await site.begin(at + 1, disk.sizeBytes, { image: at < 2 ? "shared" : "own" });
      const { imageVersion } = await site.capture(disk, host, deployId);
      return { disk, name: at < 2 ? "shared" : "own", imageVersion };
    }),
  );
  assert.deepEqual(made.map(({ imageVersion }) => imageVersion).toSorted(), [1, 1, 2]);
  for (const { disk, name, imageVersion } of made) {
    const { manifest } = await site.store.readManifest(name, imageVersion);
    assert.deepEqual(await differing(manifest, disk), []);
  }
});

test("while somebody imports the same image the host waits, and is told why", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = noisyDisk(8, "busy");
  const { release } = await site.store.reserveVersion("lab-01");
  const { host, deployId } = await site.begin(1, disk.sizeBytes);
  const reasons: string[] = [];
  const told = Promise.withResolvers<void>();
  const capturing = site.capture(disk, host, deployId, {
    onProgress: ({ percent, detail }) => {
      if (percent !== undefined) return;
      reasons.push(detail);
      told.resolve();
    },
  });
  await told.promise;
  await release();
  assert.equal((await capturing).imageVersion, 1);
  assert.match(reasons[0] ?? "", /being made just now.*Process \d+ imports it/);
});

test("a pack that went bad is sent again, and the image does not rest on it", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = noisyDisk(32, "bad");
  const first = await site.begin(1, disk.sizeBytes);
  await site.capture(disk, first.host, first.deployId);
  const { manifest } = await site.store.readManifest("lab-01");
  await rm(site.store.packPath(manifest.packs[0]!.digest));
  // One cell of the second pack is new; the other cells would come from a pack that is gone without a word.
  disk.bytes.fill(9, 17 * CELL_BYTES, 17 * CELL_BYTES + 100);
  const second = await site.begin(2, disk.sizeBytes, { image: "lab-01" });
  await rm(site.store.packPath(manifest.packs[1]!.digest));
  await site.capture(disk, second.host, second.deployId);
  const { manifest: next } = await site.store.readManifest("lab-01", 2);
  assert.deepEqual(await checkImage(site.store, next), []);
});

test("a disk with nothing on it is not made into an image", async (t) => {
  const site = await CaptureSite.open(t);
  const { host, deployId } = await site.begin(1, 40 * CELL_BYTES);
  await assert.rejects(site.capture(new MemoryDisk(new Uint8Array(40 * CELL_BYTES)), host, deployId), {
    code: "DISK_EMPTY",
  });
  assert.deepEqual(await site.store.versions("lab-01"), []);
});

test("stopped in the middle it stops, and its packs stay for the next", async (t) => {
  const site = await CaptureSite.open(t);
  const disk = noisyDisk(16 * 6, "stopped");
  const { host, deployId } = await site.begin(1, disk.sizeBytes);
  let stopping: Promise<void> | undefined;
  const { client } = afterFivePacks(site.client(host, deployId), () => {
    stopping ??= site.core.deploys.cancel(deployId);
    return stopping;
  });
  await assert.rejects(site.capture(disk, host, deployId, { client }), { code: "CAPTURE_ENDED" });
  const next = await site.begin(1, disk.sizeBytes);
  const rest = counted(site.client(next.host, next.deployId));
  await site.capture(disk, next.host, next.deployId, { client: rest.client });
  assert.equal(rest.counts.packs, 7 - 5);
});
