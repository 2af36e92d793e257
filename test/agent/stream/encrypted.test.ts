import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { StreamControl } from "../../../agent/stream/control.ts";
import { describeStream } from "../../../agent/stream/describe.ts";
import { GroupKeys } from "../../../agent/stream/group-keys.ts";
import { receiveStream } from "../../../agent/stream/receive.ts";
import { joinGroup } from "../../../agent/stream/socket.ts";
import { SEAL_BYTES } from "../../../images/sealed-pack.ts";
import { PACKET_HEADER_BYTES } from "../../../multicast/packet.ts";
import { createHttp } from "../../../server/http/http.ts";
import type { StreamOptions } from "../../../server/stream/hub.ts";
import { streamRoutes } from "../../../server/stream/routes.ts";
import { dirtyDisk, loopback, openSite, optionsFor, type Site, silentLog } from "./local-stream.ts";

const asker = { address: loopback, signal: new AbortController().signal };

const SAMPLE_BYTES = 24;
const SAMPLE_EVERY_BYTES = 1024;

/** Restores from a stream of `site` and returns all that went over the group, the payloads end to end. */
async function restored(site: Site, options: Partial<StreamOptions>, withoutThreads: boolean): Promise<Buffer> {
  const stream = await site.open(options);
  const { group, port } = stream.description;
  const heard: Buffer[] = [];
  // With the large buffer of a host: a busy machine loses nothing of what the test looks for.
  const listener = await joinGroup({
    group,
    port,
    interfaceAddress: loopback,
    datagramBytes: PACKET_HEADER_BYTES + stream.description.symbolBytes,
    onDatagram: (bytes) => heard.push(Buffer.from(bytes.subarray(PACKET_HEADER_BYTES))),
  });
  try {
    const target = dirtyDisk(site);
    const received = await receiveStream(optionsFor(site, stream, target, { withoutThreads }));
    assert.equal(Buffer.compare(target.bytes, site.golden.bytes), 0, "every byte is right");
    assert.equal(received.wrongPacks, 0);
    return Buffer.concat(heard);
  } finally {
    listener.close();
  }
}

/** How many of the samples of the image's content are in `bytes`. */
function samplesIn(bytes: Buffer, site: Site): number {
  let found = 0;
  for (let at = 65_536; at < 1_600_000; at += SAMPLE_EVERY_BYTES) {
    if (bytes.includes(Buffer.from(site.golden.bytes.subarray(at, at + SAMPLE_BYTES)))) found += 1;
  }
  return found;
}

for (const withoutThreads of [false, true]) {
  test(`encrypted: hosts restore it, and nothing of the image is on the wire${withoutThreads ? ", without threads" : ""}`, async () => {
    const site = await openSite();
    try {
      const plain = await restored(site, {}, withoutThreads);
      const encrypted = await restored(site, { encrypt: { secret: randomBytes(32) } }, withoutThreads);
      assert(samplesIn(plain, site) > 1_000, "what goes unencrypted is found");
      assert(encrypted.length > 1_600_000, "all of it was heard");
      assert.equal(samplesIn(encrypted, site), 0);
    } finally {
      await site.close();
    }
  });
}

test("encrypted: a stream whose key does not come erases nothing", async () => {
  const site = await openSite();
  try {
    const stream = await site.open();
    const control = new StreamControl({ server: site.server });
    const { info, manifest } = await describeStream(control, stream.streamId, site.trusted);
    await control.close();
    const streamBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes + SEAL_BYTES, 0);
    const description = { ...info.description, isSealed: true, streamBytes };
    const described = { info: { ...info, description }, manifest };
    const beforeWrite = async () => assert.fail("the target was erased");
    const receiving = receiveStream(optionsFor(site, stream, dirtyDisk(site), { described, beforeWrite }));
    await assert.rejects(receiving, { code: "STREAM_KEY_MISSING" });
  } finally {
    await site.close();
  }
});

test("encrypted: packs by unicast are sealed, too, and open with the key that the join brought", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ encrypt: { secret: randomBytes(32) } });
    const [pack] = site.manifest.packs;
    const sealed = Buffer.from((await stream.readPack(pack!.digest, asker)).bytes);
    assert.equal(samplesIn(sealed, site), 0);
    assert.notEqual(sealed.length, pack!.storedBytes);
  } finally {
    await site.close();
  }
});

test("encrypted: the same secret and id give the same bytes after a restart, another id others", async () => {
  const site = await openSite();
  try {
    const secret = randomBytes(32);
    const { digest } = site.manifest.packs[0]!;
    const read = async (streamId: string) => {
      const stream = await site.open({ encrypt: { secret }, streamId });
      const sealed = Buffer.from((await stream.readPack(digest, asker)).bytes);
      // As after a restart: two with one id are not kept apart.
      stream.stop("the test is over");
      await stream.ended;
      return sealed;
    };
    const first = await read("00000000000000aa");
    assert.deepEqual(await read("00000000000000aa"), first);
    assert.notDeepEqual(await read("00000000000000ab"), first);
  } finally {
    await site.close();
  }
});

test("encrypted: who does not ask for the key is told why it cannot join", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ encrypt: { secret: randomBytes(32) } });
    assert.throws(() => stream.join("old agent", undefined), { code: "STREAM_ENCRYPTED" });
    assert.throws(() => stream.join("nonsense", undefined, undefined, "nonsense"), { code: "KEY_PARCEL_WRONG" });
    assert.equal(stream.receivers.length, 0);
  } finally {
    await site.close();
  }
});

test("encrypted: where hosts have tokens, only they get the key", async () => {
  const site = await openSite();
  const app = createHttp(silentLog);
  await app.register(streamRoutes(site.hub, { isToken: async (host, token) => host === "7" && token === "right" }));
  try {
    const stream = await site.open({ encrypt: { secret: randomBytes(32) } });
    const { publicKey } = new GroupKeys();
    const join = async (hostId: string | undefined, token: string) => {
      const url = `/agent/v1/streams/${stream.streamId}/receivers`;
      const payload = { name: "a", publicKey, ...(hostId === undefined ? {} : { hostId }) };
      const answer = await app.inject({ method: "POST", url, payload, headers: { authorization: `Bearer ${token}` } });
      return [answer.statusCode, answer.json<{ groupKey?: unknown }>().groupKey !== undefined];
    };
    assert.deepEqual(await join("7", "wrong"), [401, false]);
    assert.deepEqual(await join(undefined, "right"), [401, false]);
    assert.deepEqual(await join("7", "right"), [200, true]);
  } finally {
    await app.close();
    await site.close();
  }
});
