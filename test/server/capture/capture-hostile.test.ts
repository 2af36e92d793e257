import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { type Dispatcher, request } from "undici";
import { CONTRACT_VERSION, MOST_PIECE_BYTES, type Registration } from "../../../agent/contract.ts";
import { CELL_BYTES, cellId } from "../../../images/cell.ts";
import { encodeCellLists, encodeParcel, mostParcelBytes } from "../../../images/cell-lists.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { encodeUnsigned } from "../../../images/manifest-codec.ts";
import { encodePack, MAX_PACK_BYTES, packDigest } from "../../../images/pack.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";
import { machine } from "../core.ts";
import { CaptureSite } from "./capture-site.ts";

const diskBytes = 64 * CELL_BYTES;

let site: CaptureSite;
let host: Registration;
let deployId: number;
const closing: (() => void | Promise<void>)[] = [];

before(async () => {
  site = await CaptureSite.open({ after: (close) => void closing.push(close as () => Promise<void>) });
  ({ host, deployId } = await site.begin(1, diskBytes));
});
after(async () => {
  for (const close of closing) await close();
});

type Answer = { status: number; code: string; body: Record<string, unknown> };

async function send(
  method: Dispatcher.HttpMethod,
  path: string,
  body: Uint8Array | object,
  more: { token?: string; hostId?: string; deployId?: number | string } = {},
): Promise<Answer> {
  const isBytes = body instanceof Uint8Array;
  const at = `/agent/v1/hosts/${more.hostId ?? host.hostId}/captures/${more.deployId ?? deployId}/${path}`;
  const response = await request(new URL(at, site.url), {
    method,
    headers: {
      authorization: `Bearer ${more.token ?? host.token}`,
      "content-type": isBytes ? "application/octet-stream" : "application/json",
    },
    body: isBytes ? body : JSON.stringify(body),
  });
  const answer = (await response.body.json()) as Record<string, unknown>;
  return { status: response.statusCode, code: String(answer["code"] ?? ""), body: answer };
}

const noise = (seed: string): Uint8Array => {
  const cell = Buffer.alloc(CELL_BYTES);
  for (let at = 0; at < CELL_BYTES; at += 32) createHash("sha256").update(`${seed}${at}`).digest().copy(cell, at);
  return cell;
};

async function packsThere(): Promise<string[]> {
  const found: string[] = [];
  for await (const digest of site.store.packDigests()) found.push(digest);
  return found.toSorted();
}

const finishOf = (bytes: Uint8Array) => ({
  manifestBytes: bytes.length,
  manifestDigest: createHash("sha256").update(bytes).digest("hex"),
});

async function finish(manifest: Manifest): Promise<Answer> {
  const bytes = encodeUnsigned(manifest);
  await send("PUT", "manifest/0", bytes);
  return send("POST", "finish", finishOf(bytes));
}

test("only the host that holds the order, with its token, and only while the order stands", async () => {
  const other = await site.core.hosts.register(machine(2, { contract: CONTRACT_VERSION }));
  const requests = [
    ["POST", "cells", encodeCellLists([cellId(noise("x"))])],
    ["POST", "packs", encodeParcel({ cellIds: cellId(noise("x")), pack: new Uint8Array() })],
    ["PUT", "manifest/0", new Uint8Array(10)],
    ["POST", "finish", finishOf(new Uint8Array(1))],
  ] as const;
  // A deploy is no capture; one that was not begun, that ended, that is for another host or does not exist is none either.
  const { deployId: deploy } = await site.core.deploys.create({ image: "lab-debian", to: [other.hostId] });
  await site.core.report(other.hostId, "preflight", deploy);
  const third = await site.core.hosts.register(machine(3, { contract: CONTRACT_VERSION }));
  const { deployId: pending } = await site.captures.create({ host: third.hostId });
  const fourth = await site.begin(4, diskBytes);
  await site.core.deploys.cancel(fourth.deployId);
  const before = await packsThere();
  for (const [method, path, body] of requests) {
    assert.equal((await send(method, path, body, { token: "wrong" })).code, "TOKEN_WRONG");
    assert.equal((await send(method, path, body, { hostId: other.hostId })).code, "TOKEN_WRONG");
    for (const [who, number] of [
      [other, deploy],
      [other, deployId],
      [third, pending],
      [fourth.host, fourth.deployId],
      [host, 999],
    ] as const) {
      const answer = await send(method, path, body, { token: who.token, hostId: who.hostId, deployId: number });
      assert.deepEqual([answer.status, answer.code], [409, "CAPTURE_ENDED"], `${method} ${path} ${number}`);
    }
    assert.equal((await send(method, path, body, { deployId: "x" })).status, 400);
  }
  assert.deepEqual(await packsThere(), before);
});

test("any bytes: a Fault and nothing kept, and the server goes on", async () => {
  const before = await packsThere();
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 2000 }),
    // Lists and parcels that begin well.
    fc
      .tuple(fc.integer({ min: 1, max: 17 }), fc.uint8Array({ maxLength: 1500 }))
      .map(([count, rest]) => Uint8Array.of(count, ...rest)),
    fc
      .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 300 }))
      .map(([id, rest]) => Buffer.concat([encodeCellLists([id]), Buffer.from("bootpack\0\u0001", "latin1"), rest])),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (body) => {
      for (const path of ["cells", "packs"]) {
        const { status, body: answer } = await send("POST", path, body);
        assert([200, 400, 404].includes(status), `${path}: ${status} ${JSON.stringify(answer)}`);
      }
      const { status } = await send("POST", "finish", body);
      assert([400, 415].includes(status), `finish: ${status}`);
    }),
    { numRuns: 60 },
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (body) => {
      await send("PUT", "manifest/0", body);
      const answer = await send("POST", "finish", finishOf(body));
      assert.equal(answer.status, 400, JSON.stringify(answer));
    }),
    { numRuns: 40 },
  );
  assert.deepEqual(await packsThere(), before);
});

test("a manifest that was bent anywhere makes no image", async () => {
  const { manifest, packs } = await scanToMemory(sampleDisk("?0ab??"));
  for (const { bytes, cellIds } of packs.values()) {
    assert.equal((await send("POST", "packs", encodeParcel({ cellIds, pack: bytes }))).status, 200);
  }
  const whole = encodeUnsigned(manifest);
  // Name, version, date and notes that a host writes are not used; the signature is not there yet.
  const from = Buffer.from(whole.buffer).indexOf('"diskBytes"');
  const places = fc.oneof(fc.integer({ min: 0, max: 31 }), fc.integer({ min: from, max: whole.length - 97 }));
  await fc.assert(
    fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bent = whole.slice();
      bent[at]! ^= change;
      await send("PUT", "manifest/0", bent);
      const answer = await send("POST", "finish", finishOf(bent));
      assert.equal(answer.status, 400, `byte ${at}: ${JSON.stringify(answer.body)}`);
    }),
    { numRuns: 150 },
  );
  assert.deepEqual(await site.store.names(), []);
});

test("packs whose cells are not what they are named by are not kept", async () => {
  const before = await packsThere();
  const [one, two] = [noise("one"), noise("two")];
  const ids = Buffer.concat([cellId(one), cellId(two)]);
  const lying = await encodePack([two, one], "stored", { cellIds: ids });
  const sound = await encodePack([one], "zstd");
  const cut = sound.bytes.subarray(0, -1);
  const longer = Buffer.concat([sound.bytes, Buffer.alloc(1)]);
  for (const pack of [lying.bytes, cut, longer, bombOf(one)]) {
    const answer = await send("POST", "packs", encodeParcel({ cellIds: ids, pack }));
    assert.deepEqual([answer.status, answer.code], [400, "PACK_INVALID"]);
  }
  // A sound pack that lacks a cell which nobody has.
  const half = await send("POST", "packs", encodeParcel({ cellIds: ids, pack: sound.bytes }));
  assert.deepEqual([half.status, half.code], [404, "CELL_MISSING"]);
  // A short cell in the middle would shift all that follow.
  const short = await encodePack([one.subarray(0, 512)], "stored");
  assert.equal((await send("POST", "packs", encodeParcel({ cellIds: short.cellIds, pack: short.bytes }))).status, 200);
  const shifted = Buffer.concat([short.cellIds, cellId(one)]);
  const middle = await send("POST", "packs", encodeParcel({ cellIds: shifted, pack: sound.bytes }));
  assert.deepEqual([middle.status, middle.code], [404, "CELL_MISSING"]);
  assert.deepEqual(
    (await packsThere()).filter((digest) => !before.includes(digest)),
    [short.digest],
  );
});

test("a pack that is there is not overwritten, but mended when it is damaged", async () => {
  const { digest, bytes, cellIds } = await encodePack([noise("kept")], "zstd");
  const parcel = encodeParcel({ cellIds, pack: bytes });
  assert.deepEqual((await send("POST", "packs", parcel)).body, { digest, storedBytes: bytes.length });
  const { ino } = await stat(site.store.packPath(digest));
  assert.equal((await send("POST", "packs", parcel)).status, 200);
  assert.equal((await stat(site.store.packPath(digest))).ino, ino);
  await writeFile(site.store.packPath(digest), "damaged");
  const asked = await send("POST", "cells", encodeCellLists([cellIds]));
  assert.deepEqual(asked.body, { packs: [{ missing: 1 }] });
  assert.equal((await send("POST", "packs", parcel)).status, 200);
  assert.equal(packDigest(await readFile(site.store.packPath(digest))), digest);
  assert.deepEqual((await send("POST", "cells", encodeCellLists([cellIds]))).body, {
    packs: [{ digest, storedBytes: bytes.length }],
  });
});

test("a disk cannot send more than it holds, nor fill the server's", async () => {
  const cells = 3;
  const small = await site.begin(5, cells * CELL_BYTES);
  const who = { token: small.host.token, hostId: small.host.hostId, deployId: small.deployId };
  const answers: Answer[] = [];
  for (let number = 0; number <= cells; number += 1) {
    const { bytes, cellIds } = await encodePack([noise(`much ${number}`)], "zstd");
    answers.push(await send("POST", "packs", encodeParcel({ cellIds, pack: bytes }), who));
  }
  assert.deepEqual(
    answers.map(({ status, code }) => [status, code]),
    [...Array.from({ length: cells }, () => [200, ""]), [413, "CAPTURE_TOO_LARGE"]],
  );
  // What is there already is no more, however often it is sent.
  const { bytes, cellIds } = await encodePack([noise("much 0")], "zstd");
  assert.equal((await send("POST", "packs", encodeParcel({ cellIds, pack: bytes }), who)).status, 413);

  const fresh = await encodePack([noise("full")], "zstd");
  site.freeBytes = 1e6;
  const full = await send("POST", "packs", encodeParcel({ cellIds: fresh.cellIds, pack: fresh.bytes }));
  site.freeBytes = 1e12;
  assert.deepEqual([full.status, full.code], [409, "STORE_FULL"]);
  assert.equal(await site.store.has(fresh.digest), false);

  const far = await send("PUT", `manifest/${10 ** 9}`, new Uint8Array(10));
  assert.deepEqual([far.status, far.code], [413, "CAPTURE_TOO_LARGE"]);
  for (const [path, length] of [
    ["packs", mostParcelBytes(MAX_PACK_BYTES) + 1],
    ["cells", 64 * 513 + 1],
    ["manifest/0", MOST_PIECE_BYTES + 1],
  ] as const) {
    const answer = await send(path === "manifest/0" ? "PUT" : "POST", path, new Uint8Array(length)).catch(
      () => undefined,
    );
    assert(answer === undefined || answer.code === "REQUEST_INVALID", path);
  }
});

test("a manifest rests only on packs that are there with these cells, on no larger disk, and on all of its bytes", async () => {
  const { manifest, packs } = await scanToMemory(sampleDisk("ab0???"));
  const absent = await finish(manifest);
  assert.deepEqual([absent.status, absent.code], [400, "CAPTURE_INVALID"]);
  for (const { bytes, cellIds } of packs.values()) {
    assert.equal((await send("POST", "packs", encodeParcel({ cellIds, pack: bytes }))).status, 200);
  }
  // The name of a pack that is there, with cells that it has not.
  const other = await scanToMemory(sampleDisk("cb0???"));
  const borrowed = await scanToMemory(sampleDisk("cb0???"), {
    onPack: async () => undefined,
    findPack: async (cellIds) => {
      const own = other.manifest.packs.findIndex((pack) => Buffer.compare(pack.cellIds, cellIds) === 0);
      const { digest, storedBytes } = manifest.packs[Math.min(own, manifest.packs.length - 1)]!;
      return { digest, storedBytes };
    },
  });
  const answer = await finish(borrowed.manifest);
  assert.deepEqual([answer.status, answer.code], [400, "CAPTURE_INVALID"]);
  const larger = await scanToMemory(sampleDisk("a".repeat(65)));
  const refused = await finish(larger.manifest);
  assert.equal(refused.code, "CAPTURE_INVALID");
  assert.match(String(refused.body["what"]), /more than 4194304/);
  const bytes = encodeUnsigned(manifest);
  await send("PUT", "manifest/0", bytes);
  for (const wrong of [{ manifestBytes: bytes.length - 1 }, { manifestDigest: "0".repeat(64) }]) {
    assert.equal((await send("POST", "finish", { ...finishOf(bytes), ...wrong })).code, "CAPTURE_INVALID");
  }
  assert.deepEqual(await site.store.names(), []);

  const made = await send("POST", "finish", finishOf(bytes));
  assert.deepEqual(made.body, { state: "made", image: "lab-01", imageVersion: 1 });
  // What the host called it, when and by whom, is nobody's business.
  const { tag } = (await site.store.readManifest("lab-01")).manifest;
  assert.deepEqual([tag.builder, tag.createdAtMs], [`captured from lab-01, session ${deployId}`, site.core.nowMs]);
  assert.deepEqual(
    (await readdir(join(site.store.directory, "temp"))).filter((name) => !name.startsWith("capture-")),
    [],
  );
});

test("many packs at once keep the server answering; more than it can hold are refused for the moment", async () => {
  const crowd = await site.begin(6, 1000 * CELL_BYTES);
  const who = { token: crowd.host.token, hostId: crowd.host.hostId, deployId: crowd.deployId };
  const cells = Array.from({ length: 16 }, (_, cell) => noise(`crowd ${cell}`));
  const { bytes, cellIds } = await encodePack(cells, "zstd");
  const parcel = encodeParcel({ cellIds, pack: bytes });
  let longestMs = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const at = performance.now();
      await sleep(1);
      longestMs = Math.max(longestMs, performance.now() - at);
    }
  })();
  const answers = await Promise.all(Array.from({ length: 40 }, () => send("POST", "packs", parcel, who)));
  isOver = true;
  await watching;
  const codes = new Set(answers.map(({ status, code }) => `${status} ${code}`));
  assert(codes.has("200 "));
  for (const code of codes) assert(["200 ", "409 CAPTURE_BUSY"].includes(code), code);
  // A pack takes some 3 ms; forty in one breath would be 120.
  assert(longestMs < 2000, `nobody was answered for ${longestMs} ms`);
});

/** A small frame that would unpack to 64 MiB. */
function bombOf(cell: Uint8Array): Uint8Array {
  const frame = zstdCompressSync(new Uint8Array(64 * 1024 ** 2));
  const pack = Buffer.alloc(40 + 32 + frame.length);
  pack.write("bootpack", "latin1");
  pack.writeUInt16BE(1, 8);
  pack.writeUInt8(1, 10);
  pack.writeUInt32BE(1, 12);
  pack.writeUInt32BE(CELL_BYTES, 16);
  pack.writeUInt32BE(frame.length, 20);
  pack.set(cellId(cell), 40);
  pack.set(frame, 72);
  return pack;
}
