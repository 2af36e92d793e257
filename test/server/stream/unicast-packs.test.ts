import assert from "node:assert/strict";
import { test } from "node:test";
import { rawFilePacks } from "../../../images/pack-reader.ts";
import { StreamLayout } from "../../../multicast/layout.ts";
import { Budget } from "../../../server/stream/budget.ts";
import { InterfaceTraffic } from "../../../server/stream/interface-traffic.ts";
import { StreamRate } from "../../../server/stream/stream-rate.ts";
import { UnicastPacks } from "../../../server/stream/unicast-packs.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";
import { descriptionOf } from "../../multicast/streams.ts";

const pace = { readyAt: (now: number) => now, take: () => undefined, setRate: () => undefined };

const asker = { address: "10.0.0.9", signal: new AbortController().signal };

async function opened({ bytesPerSecond = 10e9, isGroupBusy = false } = {}) {
  const disk = sampleDisk("?".repeat(70), 512);
  const { manifest, packs: made } = await scanToMemory(disk);
  const sizes = manifest.packs.map(({ storedBytes }) => storedBytes);
  const layout = new StreamLayout(descriptionOf(sizes, {}), manifest.packs);
  const now = () => performance.now();
  const ceiling = { mode: "fixed", ceilingBytesPerSecond: bytesPerSecond } as const;
  const rate = new StreamRate({
    ...ceiling,
    pace,
    shared: { budget: new Budget(bytesPerSecond), traffic: new InterfaceTraffic(() => undefined) },
    now: now(),
  });
  const packs = rawFilePacks(disk, manifest);
  const unicast = new UnicastPacks({ layout, manifest, packs, rate, isGroupBusy: () => isGroupBusy, now });
  return { unicast, rate, manifest, wanted: (digest: string) => Buffer.from(made.get(digest)!.bytes) };
}

test("packs by unicast: all at the same time and one after the other, each with its own bytes", async () => {
  const { unicast, rate, manifest, wanted } = await opened();
  for (let round = 0; round < 3; round += 1) {
    const lent = await Promise.all(manifest.packs.map(({ digest }) => unicast.read(digest, asker)));
    for (const [number, { digest }] of manifest.packs.entries())
      assert.deepEqual(Buffer.from(lent[number]!.bytes), wanted(digest));
    for (const { giveBack } of lent) giveBack();
  }
  const [first, second] = manifest.packs;
  const { bytes, giveBack } = await unicast.read(first!.digest, asker);
  giveBack();
  const next = await unicast.read(second!.digest, asker);
  assert.equal(next.bytes.buffer, bytes.buffer, "memory goes round");
  assert.deepEqual(Buffer.from(next.bytes), wanted(second!.digest));
  rate.close();
});

test("packs by unicast: a group that has something to send gets its half, also one that got to nothing so far", async () => {
  const { unicast, rate, manifest } = await opened({ bytesPerSecond: 20e6, isGroupBusy: true });
  const [first, second] = manifest.packs;
  const from = performance.now();
  await unicast.read(first!.digest, asker);
  const pausedMs = unicast.groupPauseMs(performance.now());
  await unicast.read(second!.digest, asker);
  const packMs = first!.storedBytes / 20e3;
  assert(pausedMs <= packMs * 1.05, "the group waits for one pack");
  assert(performance.now() - from >= 2 * packMs, "the next one leaves it as much time as this one took");
  rate.close();
});

test("packs by unicast: one of another image is unknown", async () => {
  const { unicast, rate } = await opened();
  await assert.rejects(unicast.read("ab".repeat(32), asker), { code: "PACK_UNKNOWN" });
  rate.close();
});

test("packs by unicast: who fetches without end does not keep the others from theirs", async () => {
  const { unicast, rate, manifest, wanted } = await opened({ bytesPerSecond: 20e6 });
  const [first] = manifest.packs;
  const { digest } = first!;
  const left = new AbortController();
  const flood = { address: "10.0.0.66", signal: left.signal };
  const order: string[] = [];
  const ended = Array.from({ length: 1_000 }, () =>
    unicast.read(digest, flood).then(
      ({ giveBack }) => {
        order.push("flood");
        giveBack();
      },
      ({ code }) => order.push(code),
    ),
  );
  const { bytes, giveBack } = await unicast.read(digest, asker);
  assert.deepEqual(Buffer.from(bytes), wanted(digest));
  giveBack();
  assert(order.filter((word) => word === "flood").length <= 2, `${order.length} before`);
  assert(order.length > 800, "what is more than its share is refused at once");
  left.abort();
  await Promise.all(ended);
  // All places are free: the next one waits for no more than the pack before it.
  const from = performance.now();
  await unicast.read(digest, asker);
  assert(performance.now() - from < 5_000);
  await assert.rejects(unicast.read(digest, flood), { code: "UNICAST_BUSY" });
  rate.close();
});
