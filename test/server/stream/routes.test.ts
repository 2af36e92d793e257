import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { Value } from "typebox/value";
import { FaultBody, StreamInfo, StreamList } from "../../../agent/contract.ts";
import { decodePack } from "../../../images/pack.ts";
import { MOST_RECEIVERS } from "../../../multicast/roster.ts";
import { createHttp } from "../../../server/http/http.ts";
import type { RunningStream } from "../../../server/stream/hub.ts";
import { MOST_OF_AN_ADDRESS } from "../../../server/stream/join-limit.ts";
import { streamRoutes } from "../../../server/stream/routes.ts";
import { unicastBusy } from "../../../server/stream/stream-faults.ts";
import type { PackAsker } from "../../../server/stream/unicast-packs.ts";
import { openSite, silentLog } from "../../agent/stream/local-stream.ts";

test("stream routes: what the contract says, byte for byte", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 2 });
    const list = (await site.app.inject("/agent/v1/streams")).json();
    assert(Value.Check(StreamList, list));
    assert.equal(list.streams[0]?.image, "golden");
    const info = (await site.app.inject(`/agent/v1/streams/${stream.streamId}`)).json();
    assert(Value.Check(StreamInfo, info));
    assert.deepEqual(info.description, { ...stream.description, packs: [[0, site.manifest.packs.length]] });
    const manifest = await site.app.inject(`/agent/v1/streams/${stream.streamId}/manifest`);
    assert.deepEqual(manifest.rawPayload, Buffer.from(stream.manifestBytes));
    assert.equal(manifest.headers["content-length"], String(stream.manifestBytes.length));
    const entry = site.manifest.packs[0]!;
    const pack = await site.app.inject(`/agent/v1/streams/${stream.streamId}/packs/${entry.digest}`);
    assert.equal(pack.headers["content-length"], String(entry.storedBytes));
    assert.equal(decodePack(pack.rawPayload, entry).length, entry.cellIds.length / 32);
    assert.match(
      (await site.app.inject(`/agent/v1/streams/${stream.streamId}/key`)).payload,
      /^-----BEGIN PUBLIC KEY-----/,
    );
  } finally {
    await site.close();
  }
});

test("stream routes: who fetches a pack is known by address, and when it goes away", async () => {
  const asked = Promise.withResolvers<PackAsker>();
  const readPack = async (_: string, asker: PackAsker) => {
    asked.resolve(asker);
    await once(asker.signal, "abort");
    throw unicastBusy();
  };
  const site = await openSite({ hub: (hub) => ({ ...hub, get: () => ({ readPack }) as unknown as RunningStream }) });
  try {
    const request = get(new URL(`/agent/v1/streams/0000000000000000/packs/${"0".repeat(64)}`, site.server));
    request.on("error", () => undefined);
    const { address, signal } = await asked.promise;
    assert.deepEqual([address, signal.aborted], ["127.0.0.1", false]);
    request.destroy();
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    await site.close();
  }
});

test("stream routes: a receiver joins, reports, and hears what the stream waits for", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 2 });
    const url = `/agent/v1/streams/${stream.streamId}/receivers`;
    const { receiverId } = (await site.app.inject({ method: "POST", url, payload: { name: "pc-1" } })).json();
    const payload = { state: "ready", packsDone: 0, packsTotal: 3, symbolsReceived: 4, symbolsLost: 1 };
    const answer = await site.app.inject({ method: "POST", url: `${url}/${receiverId}`, payload });
    assert.deepEqual(answer.json(), {
      streamState: "open",
      waitingFor: "1 of 2 hosts ready",
      feedbackEveryMs: 20,
      reportEveryMs: 1_000,
    });
    const [receiver] = stream.receivers;
    assert.deepEqual([receiver?.name, receiver?.state, receiver?.symbolsLost], ["pc-1", "ready", 1]);
  } finally {
    await site.close();
  }
});

test("stream routes: what is not there or not understood is a Fault", async () => {
  const site = await openSite();
  try {
    const stream = await site.open();
    const { streamId } = stream;
    const { receiverId } = stream.join("pc", undefined);
    const post = { method: "POST" as const };
    const cases = [
      [404, "STREAM_UNKNOWN", { url: "/agent/v1/streams/0000000000000000" }],
      [404, "STREAM_UNKNOWN", { url: "/agent/v1/streams/..%2f..%2fetc/manifest" }],
      [404, "PACK_UNKNOWN", { url: `/agent/v1/streams/${streamId}/packs/${"0".repeat(64)}` }],
      [400, "REQUEST_INVALID", { ...post, url: `/agent/v1/streams/${streamId}/receivers`, payload: { nme: "x" } }],
      // Names are shown on terminals.
      [
        400,
        "REQUEST_INVALID",
        { ...post, url: `/agent/v1/streams/${streamId}/receivers`, payload: { name: "x\u001b[2J" } },
      ],
      [
        404,
        "RECEIVER_UNKNOWN",
        {
          ...post,
          url: `/agent/v1/streams/${streamId}/receivers/none`,
          payload: { state: "ready", packsDone: 0, packsTotal: 0, symbolsReceived: 0, symbolsLost: 0 },
        },
      ],
      ...["packsDone", "packsTotal", "symbolsReceived", "symbolsLost"].map((count) => {
        const counts = { packsDone: 0, packsTotal: 0, symbolsReceived: 0, symbolsLost: 0, [count]: -1 };
        const url = `/agent/v1/streams/${streamId}/receivers/${receiverId}`;
        return [400, "REQUEST_INVALID", { ...post, url, payload: { state: "ready", ...counts } }] as const;
      }),
      // Sums of them must stay numbers.
      ...[{ symbolsLost: 1e308 }, { delayMs: 1e300 }, { canary: { received: 1e300, lost: 0 } }].map((absurd) => {
        const counts = { packsDone: 0, packsTotal: 0, symbolsReceived: 0, symbolsLost: 0, ...absurd };
        const url = `/agent/v1/streams/${streamId}/receivers/${receiverId}`;
        return [400, "REQUEST_INVALID", { ...post, url, payload: { state: "ready", ...counts } }] as const;
      }),
    ] as const;
    for (const [status, code, request] of cases) {
      const answer = await site.app.inject(request);
      assert.deepEqual([answer.statusCode, answer.json().code], [status, code]);
      assert(Value.Check(FaultBody, answer.json()));
    }
  } finally {
    await site.close();
  }
});

test("stream routes: a stream that is full says so", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 1_000_000 });
    for (let joined = 0; joined < MOST_RECEIVERS; joined += 1) stream.join("pc", undefined);
    const url = `/agent/v1/streams/${stream.streamId}/receivers`;
    const answer = await site.app.inject({ method: "POST", url, payload: { name: "one more" } });
    assert.deepEqual([answer.statusCode, answer.json().code], [409, "STREAM_FULL"]);
  } finally {
    await site.close();
  }
});

test("stream routes: one address takes its share of the places, and has it again when some are done", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 1_000_000 });
    const url = `/agent/v1/streams/${stream.streamId}/receivers`;
    const join = async (remoteAddress: string) => {
      const answer = await site.app.inject({ method: "POST", url, payload: { name: "pc" }, remoteAddress });
      return { status: answer.statusCode, ...answer.json<{ code?: string; receiverId: string }>() };
    };
    const first = await join("10.0.0.9");
    for (let joined = 1; joined < MOST_OF_AN_ADDRESS; joined += 1) await join("::ffff:10.0.0.9");
    const refused = await join("10.0.0.9");
    assert.deepEqual([refused.status, refused.code], [409, "ADDRESS_FULL"]);
    assert.equal((await join("10.0.0.10")).status, 200);
    assert.equal(stream.receivers.length, MOST_OF_AN_ADDRESS + 1);
    const payload = { state: "done", packsDone: 3, packsTotal: 3, symbolsReceived: 0, symbolsLost: 0 };
    await site.app.inject({ method: "POST", url: `${url}/${first.receiverId}`, payload });
    assert.equal((await join("10.0.0.9")).status, 200);
    assert.equal((await join("10.0.0.9")).code, "ADDRESS_FULL");
  } finally {
    await site.close();
  }
});

test("stream routes: a host that joins again replaces its former self, and nobody else's", async () => {
  const site = await openSite();
  const app = createHttp(silentLog);
  await app.register(streamRoutes(site.hub, { isToken: async (host, token) => host === "h-1" && token === "right" }));
  try {
    const stream = await site.open({ waitFor: 1_000_000 });
    const url = `/agent/v1/streams/${stream.streamId}/receivers`;
    const join = async (hostId: string, remoteAddress: string, token = "wrong") => {
      const headers = { authorization: `Bearer ${token}` };
      await app.inject({ method: "POST", url, payload: { name: "pc", hostId }, headers, remoteAddress });
      return stream.receivers.map(({ state }) => state).join(" ");
    };
    assert.equal(await join("h-1", "10.0.0.1"), "joined");
    assert.equal(await join("h-1", "10.0.0.1"), "left joined");
    // Its id is no secret: who says it elsewhere is to show its token.
    assert.equal(await join("h-1", "10.0.0.2"), "left joined joined");
    assert.equal(await join("h-1", "10.0.0.3", "right"), "left left left joined");
    assert.equal(await join("h-2", "10.0.0.3"), "left left left joined joined");
    // A host that is full of itself is not.
    for (let again = 0; again < MOST_OF_AN_ADDRESS; again += 1) await join("h-2", "10.0.0.3");
    assert.equal(stream.info().receivers, 2);
  } finally {
    await app.close();
    await site.close();
  }
});

test("stream routes: any report is taken or refused, and the stream goes on", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 1_000, once: false });
    const { receiverId } = stream.join("odd", undefined);
    const url = `/agent/v1/streams/${stream.streamId}/receivers/${receiverId}`;
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (payload) => {
        const answer = await site.app.inject({
          method: "POST",
          url,
          payload: JSON.stringify(payload),
          headers: { "content-type": "application/json" },
        });
        assert([200, 400].includes(answer.statusCode));
      }),
      { numRuns: 50, examples: [[JSON.parse('{"__proto__":null}')]] },
    );
    assert.equal(stream.isOver, false);
  } finally {
    await site.close();
  }
});

test("hub: groups and addresses that cannot be are refused", async () => {
  const site = await openSite();
  try {
    await assert.rejects(site.open({ group: "224.0.0.5" }), { code: "GROUP_REFUSED" });
    await assert.rejects(site.open({ group: "10.1.2.3" }), { code: "GROUP_REFUSED" });
    await assert.rejects(site.open({ interfaceAddress: "192.0.2.77" }), { code: "INTERFACE_UNKNOWN" });
    assert.equal(site.hub.list().length, 0);
  } finally {
    await site.close();
  }
});

test("hub: a source that cannot be read any more ends the stream with its reason", async () => {
  const site = await openSite({
    packs: () => ({
      read: async () => {
        throw new Error("the disk is gone");
      },
    }),
  });
  try {
    const problems: string[] = [];
    const stream = await site.open({ onEvent: (event) => event.type === "problem" && problems.push(event.fault.code) });
    const { receiverId } = stream.join("pc", undefined);
    stream.report(receiverId, { state: "ready", packsDone: 0, packsTotal: 3, symbolsReceived: 0, symbolsLost: 0 });
    await stream.ended;
    assert.deepEqual(problems, ["STREAM_BROKEN"]);
    assert.equal(stream.state, "ended");
  } finally {
    await site.close();
  }
});

test("stream routes: receivers of a stream that is held are told so, and why", async () => {
  const site = await openSite();
  try {
    // Slow enough that it is not over before it is held.
    const stream = await site.open({ rateBytesPerSecond: 100_000 });
    const { receiverId } = stream.join("pc", undefined);
    const url = `/agent/v1/streams/${stream.streamId}/receivers/${receiverId}`;
    const payload = { state: "ready", packsDone: 0, packsTotal: 3, symbolsReceived: 4, symbolsLost: 1 };
    const ask = async () => (await site.app.inject({ method: "POST", url, payload })).json();
    stream.startNow("test");
    assert.equal((await ask()).streamState, "streaming");
    const release = stream.hold("DNS does not answer");
    assert.deepEqual(await ask(), {
      streamState: "open",
      waitingFor: "DNS does not answer",
      feedbackEveryMs: 20,
      reportEveryMs: 1_000,
    });
    release();
    assert.deepEqual(await ask(), {
      streamState: "streaming",
      waitingFor: "",
      feedbackEveryMs: 20,
      reportEveryMs: 1_000,
    });
  } finally {
    await site.close();
  }
});
