import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import type { BsdpClientAction, BsdpClientOptions, FoundServer } from "../../bsdp/bsdp-client.ts";
import { BsdpClient, chooseByKeyN } from "../../bsdp/bsdp-client.ts";
import { listRequest, selectRequest } from "../../bsdp/bsdp-client-packet.ts";
import { decodeBsdpOptions } from "../../bsdp/bsdp-options.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionInstances } from "../../bsdp/dhcp-packet.ts";
import { imageNumberOf } from "../../bsdp/net-boot-choice.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { DhcpAnswerer } from "../../server/dhcp/answer.ts";
import { runClient, type WireServer } from "./bsdp-network.ts";
import { bytesOf, hexOf, vectorNamed } from "./packet-vectors.ts";

const panel: BsdpClientOptions = {
  profile: "startup-disk",
  mac: "00:17:f2:a1:b2:c3",
  address: "10.0.1.50",
  arch: "i386",
  model: "iMac14,3",
  replyPort: 993,
  xid: 0x3903f326,
  random: () => 0,
};
const firmware: BsdpClientOptions = { ...panel, profile: "firmware", replyPort: 68 };

const agent: NetBootImage = { index: 137, name: "Re-image", bootFile: "nbi/booter" };
const bundle: NetBootImage = { index: 4200, name: "Tools", bootFile: "nbi/tools", type: "HTTP" };

function server(
  address: string,
  changes: { priority?: number; images?: NetBootImage[]; bound?: { id: number; untilMs: number } } = {},
): WireServer {
  const { priority = 32768, images = [agent], bound } = changes;
  const answerer = new DhcpAnswerer({
    interfaces: [],
    mode: "proxy",
    policyOf: async () => ({ boot: "agent" }),
    bootFiles: {
      httpPort: 80,
      loaders: {},
      secureLoaders: {},
      diskLoaders: {},
      macImages: images,
      macPriority: priority,
    },
    ...(bound === undefined ? {} : { macs: { boundImageOf: async () => bound } }),
    log: pino({ level: "silent" }),
    now: () => 0,
  });
  return { address, answerer };
}

const bootOf = (actions: readonly BsdpClientAction[]) => actions.find((action) => action.type === "boot");
const endOf = (actions: readonly BsdpClientAction[]) => actions.find((action) => action.type === "end")?.reason;
const xidOf = (bytes: Uint8Array) => decodeDhcpPacket(bytes).xid;
const bsdpOf = (bytes: Uint8Array) => decodeBsdpOptions(optionInstances(decodeDhcpPacket(bytes), 43));

test("the panel's questions are Apple's, byte for byte", () => {
  assert.equal(hexOf(encodeDhcpPacket(listRequest(panel, panel.xid))), vectorNamed("inform-list-startup-disk").hex);
  const choice = { server: "10.0.1.5", image: 0x81000089 };
  const select = encodeDhcpPacket(selectRequest(panel, panel.xid, choice));
  assert.equal(hexOf(select), vectorNamed("inform-select-startup-disk").hex);
});

for (const options of [firmware, panel]) {
  test(`${options.profile}: list, choose, and boot from the real answerer`, async () => {
    const { actions, sent } = await runClient(options, { servers: [server("10.0.1.5")] });
    const boot = bootOf(actions);
    assert.deepEqual(boot, {
      type: "boot",
      server: "10.0.1.5",
      image: 0x81000089,
      tftpServer: "10.0.1.5",
      file: "nbi/booter",
    });
    assert.equal(sent.length, 2);
    assert.equal(xidOf(sent[1]!.bytes), xidOf(sent[0]!.bytes) + 1, "the next question has the next number");
    assert.equal(bsdpOf(sent[1]!.bytes).serverId, "10.0.1.5");
  });
}

test("answers are gathered for 2 to 4 s, and the highest priority wins", async () => {
  const servers = [server("10.0.1.5"), server("10.0.1.6", { priority: 40_000 }), server("10.0.1.7", { priority: 1 })];
  const { actions, sent } = await runClient(firmware, { servers });
  const listed = actions.find((action) => action.type === "listed");
  assert.deepEqual(
    listed?.servers.map((one) => one.address),
    ["10.0.1.6", "10.0.1.5", "10.0.1.7"],
  );
  assert.equal(bootOf(actions)?.server, "10.0.1.6");
  const gatheredMs = sent[1]!.atMs;
  assert(gatheredMs >= 2000 && gatheredMs <= 4010, `${gatheredMs} ms`);
});

test("only the chosen server answers the SELECT, the others say that another was named", async () => {
  const servers = [server("10.0.1.5"), server("10.0.1.6", { priority: 40_000 })];
  await runClient(firmware, { servers });
  assert.deepEqual(servers[0]!.answerer.counters.dropped, { "another-server-named": 1 });
  assert.deepEqual(servers[1]!.answerer.counters.answered, { "BSDP LIST": 1, "BSDP SELECT": 1 });
});

test("N key: the image that a server remembers for this Mac comes before a higher priority", async () => {
  const id = imageNumberOf(bundle);
  const bound = server("10.0.1.6", { images: [agent, bundle], bound: { id, untilMs: 1e12 }, priority: 5 });
  const { actions } = await runClient(firmware, { servers: [server("10.0.1.5"), bound] });
  assert.deepEqual([bootOf(actions)?.server, bootOf(actions)?.image], ["10.0.1.6", id]);
});

test("a bound Mac that chooses another server is not caught again by the same setting", async () => {
  const bound = { id: imageNumberOf(agent), untilMs: 1e12 };
  const ours = server("10.0.1.5", { bound });
  const discover = bytesOf(vectorNamed("fw-discover-i386").hex);
  const at67 = { port: 67, serverAddress: "10.0.1.5", source: { address: "0.0.0.0", port: 68 } };
  assert(await ours.answerer.answer(discover, at67), "bound: an OFFER");
  const choose = () => ({ server: "10.0.1.6", image: 0x81000089 });
  await runClient({ ...firmware, choose }, { servers: [ours, server("10.0.1.6")] });
  assert.equal(await ours.answerer.answer(discover, at67), undefined);
  assert.equal(ours.answerer.counters.dropped["not-bound"], 1);
});

test("the panel asks 7 times, after 2, 4, 8, 16, 16, 16 s, with the same number", async () => {
  const { actions, sent, endedMs } = await runClient(panel, { servers: [] });
  assert.deepEqual(
    sent.map((one) => one.atMs / 1000),
    [0, 2, 6, 14, 30, 46, 62],
  );
  assert.equal(new Set(sent.map((one) => xidOf(one.bytes))).size, 1);
  assert.equal(endedMs, 78_000);
  assert.equal(endOf(actions), "nobody-answered");
});

test("the panel's waits for the list have up to a second of chance, those for the selection have none", async () => {
  const late = { ...panel, random: () => 0.5 };
  const { sent } = await runClient(late, { servers: [] });
  assert.equal(sent[1]!.atMs, 2500);
  const isLost = ({ direction, number }: { direction: string; number: number }) => direction === "down" && number > 0;
  const unanswered = await runClient(late, { servers: [server("10.0.1.5")], isLost });
  const selects = unanswered.sent.filter(({ bytes }) => bsdpOf(bytes).messageType === 2);
  assert.deepEqual([selects.length, selects[1]!.atMs - selects[0]!.atMs], [2, 2000]);
  assert.equal(unanswered.endedMs - selects[1]!.atMs, 4000);
  assert.equal(endOf(unanswered.actions), "select-not-answered");
});

test("firmware asks again after losses and boots in the end", async () => {
  const isLost = ({ direction, number }: { direction: string; number: number }) =>
    (direction === "up" && number < 2) || (direction === "down" && number === 1);
  const { actions, sent } = await runClient(firmware, { servers: [server("10.0.1.5")], isLost });
  assert.equal(bootOf(actions)?.file, "nbi/booter");
  assert.deepEqual(
    sent.map(({ bytes }) => bsdpOf(bytes).messageType),
    [1, 1, 1, 2, 2],
  );
});

test("any losses below all of them end in the booter or in a given-up search, never in a hang", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
      fc.boolean(),
      async (losses, isPanel) => {
        const isLost = ({ number }: { number: number }) => losses[number] ?? false;
        const { actions, client } = await runClient(isPanel ? panel : firmware, {
          servers: [server("10.0.1.5"), server("10.0.1.6")],
          isLost,
        });
        assert(client.hasEnded);
        assert(bootOf(actions) !== undefined || endOf(actions) !== undefined);
      },
    ),
    { numRuns: 100, seed: 20_261_122 },
  );
});

test("after a FAILED firmware waits ten seconds before it asks for a list again; the panel gives up", async () => {
  const choose = () => ({ server: "10.0.1.5", image: 0x81000fff });
  const { actions, sent } = await runClient({ ...firmware, choose }, { servers: [server("10.0.1.5")] });
  const lists = sent.filter(({ bytes }) => bsdpOf(bytes).messageType === 1);
  assert.equal(lists.length, 2);
  assert(lists[1]!.atMs - sent[1]!.atMs >= 10_000);
  assert.equal(endOf(actions), "failed");
  const given = await runClient({ ...panel, choose }, { servers: [server("10.0.1.5")] });
  assert.equal(endOf(given.actions), "failed");
  assert.equal(given.sent.length, 2);
});

const damage: readonly (readonly [reason: string, change: (bytes: Uint8Array) => Uint8Array | undefined])[] = [
  ["shorter than 236 bytes", (bytes) => bytes.subarray(0, 235)],
  ["cannot be read", (bytes) => bytes.subarray(0, 250)],
  ["not a reply", (bytes) => changed(bytes, 0, 1)],
  ["another xid", (bytes) => changed(bytes, 7, bytes[7]! ^ 1)],
  ["another hardware address", (bytes) => changed(bytes, 1, 6)],
  ["another hardware address", (bytes) => changed(bytes, 33, 0xff)],
  ["another ciaddr", (bytes) => changed(bytes, 15, 51)],
  ["not an ACK", (bytes) => changed(bytes, 242, 2)],
  ["another class", (bytes) => changed(bytes, 251, 0x42)],
  // The identifier's code becomes one that nobody knows.
  ["no server identifier", (bytes) => changed(bytes, 243, 200)],
  ["no BSDP message type", (bytes) => changed(bytes, 262, 200)],
  ["another BSDP message", (bytes) => changed(bytes, 264, 2)],
];

for (const [reason, change] of damage) {
  test(`an answer is dropped as Apple's client drops it: ${reason}`, async () => {
    const alter = (bytes: Uint8Array) => change(Uint8Array.from(bytes)) ?? bytes;
    const { client, actions } = await runClient(panel, { servers: [server("10.0.1.5")], alter });
    assert.deepEqual(client.dropped, { [reason]: 7 });
    assert.equal(endOf(actions), "nobody-answered");
  });
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
}

test("an answer that comes when nobody waits, and one of a server that was not chosen, change nothing", () => {
  const client = new BsdpClient(panel);
  const list = bytesOf(vectorNamed("ack-list-startup-disk").hex);
  client.start(0);
  client.onPacket(list, 10);
  client.onTimer(3000);
  const select = (server: string) => {
    const packet = decodeDhcpPacket(bytesOf(vectorNamed("ack-select-nfs").hex));
    const options = packet.options.map((option) =>
      option.code === 54 ? { code: 54, data: Uint8Array.from(server.split("."), Number) } : option,
    );
    return encodeDhcpPacket({ ...packet, xid: panel.xid + 1, options });
  };
  assert.deepEqual(client.onPacket(select("10.0.1.9"), 3100), []);
  assert.deepEqual(client.dropped, { "not the chosen server": 1 });
  const [boot] = client.onPacket(select("10.0.1.5"), 3200);
  assert(boot?.type === "boot");
  assert.equal(boot.rootPath, "nfs:10.0.1.5:/Library/NetBoot/NetBootSP0:DOE.nbi/NetInstall.dmg");
  assert.equal(boot.machineName, "NetBoot002");
  assert.deepEqual(client.onPacket(select("10.0.1.5"), 3300), []);
  assert.equal(client.deadline, Number.POSITIVE_INFINITY);
});

test("nothing is chosen where nothing was found or the person chose nothing", () => {
  assert.equal(chooseByKeyN([]), undefined);
  const found: FoundServer = { address: "10.0.1.5", priority: 1, defaultImage: 2, images: [] };
  assert.deepEqual(chooseByKeyN([found]), { server: "10.0.1.5", image: 2 });
});

test("any bytes are dropped with a reason, never anything else", () => {
  const client = new BsdpClient(panel);
  client.start(0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.deepEqual(client.onPacket(bytes, 1), []);
    }),
    { numRuns: 500, seed: 20_261_122 },
  );
});
