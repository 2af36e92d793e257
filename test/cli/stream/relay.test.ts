import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, open, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import type { StreamInfo } from "../../../agent/contract.ts";
import { RelayPacks } from "../../../cli/stream/relay-packs.ts";
import { digestOf, RelaySpool } from "../../../cli/stream/relay-spool.ts";
import { Fault } from "../../../fault.ts";
import type { Manifest, PackEntry } from "../../../images/manifest.ts";

const log = pino({ level: "silent" });
const stored = [100, 1, 5_000].map((length) => randomBytes(length));
const packs = stored.map((bytes) => ({ digest: digestOf(bytes), storedBytes: bytes.length }) as PackEntry);
const manifest = { packs } as unknown as Manifest;
const image = { image: "golden", imageVersion: 1, diskBytes: 5 };
const signal = new AbortController().signal;
let parent: string;

before(async () => {
  parent = await mkdtemp(join(tmpdir(), "bootcast-relay-"));
});
after(() => rm(parent, { recursive: true, force: true }));

test("a spool gives what was put in, also after it was opened again", async () => {
  const spool = await RelaySpool.open(parent, "again", manifest, log);
  for (const number of packs.keys()) assert.equal(await spool.read(number), undefined);
  await spool.write(2, stored[2]!);
  await spool.write(0, stored[0]!);
  assert.deepEqual(await spool.read(0), stored[0]);
  await spool.close();

  const again = await RelaySpool.open(parent, "again", manifest, log);
  assert.deepEqual(await again.read(0), stored[0]);
  assert.equal(await again.read(1), undefined);
  assert.deepEqual(await again.read(2), stored[2]);
  await again.close();
  await again.remove();
  await assert.rejects(stat(again.directory), { code: "ENOENT" });
});

test("a spool that was damaged or cut gives nothing wrong", async () => {
  const spool = await RelaySpool.open(parent, "damaged", manifest, log);
  for (const [number, bytes] of stored.entries()) await spool.write(number, bytes);
  await spool.close();
  const file = await open(join(spool.directory, "packs"), "r+");
  await file.write(new Uint8Array([stored[0]![7]! ^ 1]), 0, 1, 7);
  await file.truncate(1_000);
  await file.close();
  const again = await RelaySpool.open(parent, "damaged", manifest, log);
  assert.equal(await again.read(0), undefined);
  assert.deepEqual(await again.read(1), stored[1]);
  assert.equal(await again.read(2), undefined);
  await again.close();
});

test("spools that nobody used for a week are removed, others stay", async () => {
  const old = new Date(Date.now() - 8 * 86_400_000);
  for (const name of ["old", "young", "foreign"]) await mkdir(join(parent, name));
  for (const name of ["old", "young"]) await writeFile(join(parent, name, "packs"), "x");
  await utimes(join(parent, "old", "packs"), old, old);
  await utimes(join(parent, "foreign"), old, old);
  await (await RelaySpool.open(parent, "own", manifest, log)).close();
  await assert.rejects(stat(join(parent, "old")), { code: "ENOENT" });
  await stat(join(parent, "young"));
  await stat(join(parent, "foreign"));
});

function give(held: Uint8Array | undefined, target: Uint8Array): boolean {
  if (held !== undefined) target.set(held);
  return held !== undefined;
}

/** An origin whose answers are given one after the other: bytes, or a fault. */
function relayOf(answers: (Uint8Array | Fault)[], streams: readonly string[] = []) {
  const asked: string[] = [];
  const waits: string[] = [];
  const held = new Map<number, Uint8Array>();
  const relay = new RelayPacks({
    origin: {
      async pack(streamId, { digest }) {
        asked.push(`${streamId} ${packs.findIndex((pack) => pack.digest === digest)}`);
        const answer = answers.shift();
        assert(answer !== undefined, "asked once more than expected");
        if (answer instanceof Fault) throw answer;
        return answer;
      },
      streams: async () => ({
        streams: streams.map((streamId) => ({ ...image, description: { streamId } }) as unknown as StreamInfo),
      }),
    },
    streamId: "first",
    image,
    spool: {
      count: 0,
      readInto: async (number, target) => give(held.get(number), target),
      write: async (number, bytes) => void held.set(number, bytes),
    },
    onWait: (reason) => waits.push(reason),
    signal,
    patienceMs: 1_500,
  });
  const read = (number: number) => relay.read(packs[number]!, number);
  return { relay, read, asked, waits };
}

const gone = () => new Fault("SERVER_UNREACHABLE", { what: "Gone.", why: "It restarts.", fix: "Wait." });
const unknown = () => new Fault("STREAM_UNKNOWN", { what: "No such stream.", why: "It ended.", fix: "List them." });

test("a pack is fetched once, for whoever asks at the same moment and later", async () => {
  const { relay, read, asked } = relayOf([stored[0]!]);
  assert.deepEqual(await Promise.all([read(0), read(0)]), [stored[0], stored[0]]);
  assert.deepEqual(await read(0), stored[0]);
  assert.deepEqual(asked, ["first 0"]);
  assert.equal(relay.fetched, 1);
});

test("wrong bytes are fetched again, and end the relay the third time", async () => {
  const { read, asked } = relayOf([stored[1]!, stored[0]!, stored[1]!, stored[1]!, stored[1]!]);
  assert.deepEqual(await read(0), stored[0]);
  assert.deepEqual(asked, ["first 0", "first 0"]);
  await assert.rejects(read(2), { code: "PACK_DAMAGED" });
});

test("an origin that is away is waited for, and that is said", async () => {
  const { read, waits } = relayOf([gone(), stored[0]!]);
  assert.deepEqual(await read(0), stored[0]);
  assert.deepEqual(waits, ["Gone.", ""]);
});

test("an origin that stays away ends the relay with its reason", async () => {
  const { read } = relayOf([gone(), gone(), gone(), gone()]);
  await assert.rejects(read(0), { code: "RELAY_ORIGIN_LOST" });
});

test("an origin that was started again is asked for its new stream of the image", async () => {
  const { read, asked, waits } = relayOf([unknown(), stored[0]!], ["second"]);
  assert.deepEqual(await read(0), stored[0]);
  assert.deepEqual(asked, ["first 0", "second 0"]);
  assert.deepEqual(waits, []);
});

test("another fault of the origin ends the relay at once", async () => {
  const { read } = relayOf([new Fault("STREAM_BROKEN", { what: "No.", why: "Broken.", fix: "Mend it." })]);
  await assert.rejects(read(0), { code: "STREAM_BROKEN" });
});

/** A relay of a group that brings what `bring` gives, and nothing where that is undefined. */
function relayOfGroup(bring: () => number | undefined, groupPatienceMs?: number) {
  const asked: number[] = [];
  const held = new Map<number, Uint8Array>();
  let count = 0;
  const relay = new RelayPacks({
    origin: {
      async pack(_, { digest }) {
        const number = packs.findIndex((pack) => pack.digest === digest);
        asked.push(number);
        return stored[number]!;
      },
      streams: async () => ({ streams: [] }),
    },
    streamId: "first",
    image,
    spool: {
      get count() {
        return count;
      },
      readInto: async (number, target) => give(held.get(number), target),
      write: async (number, bytes) => void held.set(number, bytes),
    },
    intake: {
      isRunning: true,
      async next() {
        const number = bring();
        await nextTurn();
        if (number === undefined) return;
        held.set(number, stored[number]!);
        count += 1;
      },
    },
    onWait: () => undefined,
    signal,
    ...(groupPatienceMs === undefined ? {} : { groupPatienceMs }),
  });
  return { relay, asked };
}

test("packs that come by themselves are waited for, and asked for when they do not", async () => {
  // The group brings 1, then 0, then nothing.
  const brought = [1, 0];
  const { relay, asked } = relayOfGroup(() => brought.shift());
  assert.deepEqual(await relay.read(packs[0]!, 0), stored[0]);
  assert.deepEqual(asked, []);
  assert.deepEqual(await relay.read(packs[2]!, 2), stored[2]);
  assert.deepEqual(asked, [2]);
});

test("a group that is in another part of the image is not waited for, however much it brings", async () => {
  let brought = 0;
  const bring = () => {
    brought += 1;
    return 1;
  };
  const { relay, asked } = relayOfGroup(bring, 30);
  assert.deepEqual(await relay.read(packs[0]!, 0), stored[0]);
  assert.deepEqual(asked, [0]);
  assert(brought > 1, "it was waited for a while");
  const before = brought;
  assert.deepEqual(await relay.read(packs[2]!, 2), stored[2]);
  assert.equal(brought, before, "the next one is asked for at once");
});

test("a spool knows what it holds once it was looked at", async () => {
  const spool = await RelaySpool.open(parent, "scanned", manifest, log);
  await spool.scan();
  assert.deepEqual([spool.holds(1), spool.isComplete], [false, false]);
  for (const number of [0, 2]) await spool.write(number, stored[number]!);
  await spool.close();
  const again = await RelaySpool.open(parent, "scanned", manifest, log);
  await again.scan();
  assert.deepEqual([again.holds(0), again.holds(1), again.holds(2), again.isComplete], [true, false, true, false]);
  let told = 0;
  again.onPack = () => {
    told += 1;
  };
  await again.write(1, stored[1]!);
  assert.deepEqual([told, again.count, again.isComplete], [1, 1, true]);
  await again.close();
});
