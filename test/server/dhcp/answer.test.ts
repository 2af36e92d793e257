import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import { decodeDhcpPacket, encodeDhcpPacket, optionData } from "../../../bsdp/dhcp-packet.ts";
import { byteOption } from "../../../bsdp/dhcp-values.ts";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { networksFrom } from "../../../server/dhcp/network.ts";
import type { DhcpSettings } from "../../../server/dhcp/settings.ts";
import { bytesOf, vectorNamed } from "../../bsdp/packet-vectors.ts";
import { answererWith, on } from "./answerer.ts";
import { memoryLeases } from "./memory-leases.ts";

const full = { pools: ["10.77.0.50-10.77.0.99"], leaseSeconds: 600, leases: memoryLeases() };
const at67 = { port: 67, serverAddress: "10.77.0.1", source: { address: "0.0.0.0", port: 68 } };
const packet = (name: string) => bytesOf(vectorNamed(name).hex);

/** An answerer whose log lines are kept and whose clock stands still. */
function bench(changes: Partial<DhcpSettings> = {}, others?: Parameters<typeof answererWith>[1]) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { answerer: answererWith({ log, ...changes }, others), lines };
}

/** The same request as another exchange. */
function again(name: string, xid: number): Uint8Array {
  return encodeDhcpPacket({ ...decodeDhcpPacket(packet(name)), xid });
}

describe("one packet in, at most one answer out", () => {
  test("an answer is one line in the log and one count", async () => {
    const { answerer, lines } = bench();
    assert(await answerer.answer(packet("ovmf-x64-discover"), at67));
    assert.deepEqual(answerer.counters, { answered: { OFFER: 1 }, dropped: {} });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.["mac"], "52:54:00:77:00:01");
    assert.equal(lines[0]?.["asked"], "DISCOVER");
    assert.equal(lines[0]?.["file"], "x64/snponly.efi");
  });

  test("a silence is counted each time, but told once for a machine", async () => {
    const policy: BootPolicy = { boot: "disk" };
    const { answerer, lines } = bench({ policyOf: async () => policy });
    for (let xid = 0; xid < 3; xid += 1) {
      assert.equal(await answerer.answer(again("ovmf-x64-discover", xid), at67), undefined);
    }
    assert.deepEqual(answerer.counters.dropped, { "boots its own disk": 3 });
    assert.equal(lines.length, 1);
  });

  test("a Mac with nothing to do gets no list", async () => {
    const { answerer } = bench({ policyOf: async () => ({ boot: "nothing", reason: "not ours" }) });
    assert.equal(await answerer.answer(packet("fw-inform-list-port68"), at67), undefined);
    assert.deepEqual(answerer.counters.dropped, { "not ours": 1 });
  });

  test("an answer goes to a machine, never to everybody or ourselves", async () => {
    const { answerer } = bench();
    const inform = decodeDhcpPacket(packet("fw-inform-list-port68"));
    const forged = ["255.255.255.255", "239.192.66.1", "127.0.0.1", "0.1.2.3"];
    for (const address of forged) {
      for (const field of ["ciaddr", "giaddr"]) {
        assert.equal(
          await answerer.answer(encodeDhcpPacket({ ...inform, [field]: address }), at67),
          undefined,
          address,
        );
      }
    }
    assert.deepEqual(answerer.counters, { answered: {}, dropped: { "no-machine-address": 2 * forged.length } });
  });

  test("a policy that fails or is late is nothing, and does not stop the others", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const failing = bench({ policyOf: () => Promise.reject(new Error("no database")) });
    assert.equal(await failing.answerer.answer(packet("ovmf-x64-discover"), at67), undefined);
    assert.deepEqual(failing.answerer.counters.dropped, { "the host list failed": 1 });
    assert.match(JSON.stringify(failing.lines), /no database/, "the log says why");
    const late = bench({ policyOf: () => new Promise<BootPolicy>(() => {}) });
    const waiting = late.answerer.answer(packet("ovmf-x64-discover"), at67);
    context.mock.timers.tick(1000);
    assert.equal(await waiting, undefined);
    assert.deepEqual(late.answerer.counters.dropped, { "the host list did not answer within a second": 1 });
  });

  test("a machine that loads the same loader over and over: script, then nothing and one alert", async () => {
    const { answerer, lines } = bench();
    const files: string[] = [];
    for (let xid = 0; xid < 8; xid += 1) {
      const answer = await answerer.answer(again("ovmf-x64-discover", xid), at67);
      files.push(answer === undefined ? "none" : decodeDhcpPacket(answer.bytes).file);
    }
    assert.deepEqual(files.slice(0, 3), Array(3).fill("x64/snponly.efi"));
    assert(files.slice(3, 6).every((file) => file.startsWith("http://10.77.0.1:8440/boot/script.ipxe")));
    assert.deepEqual(files.slice(6), ["none", "none"]);
    assert.equal(lines.filter((line) => line["alert"] === "loop").length, 1);
  });

  test("more than ten answers a second for one machine are dropped", async () => {
    const { answerer } = bench();
    for (let xid = 0; xid < 12; xid += 1) await answerer.answer(again("ipxe-efi-discover", xid), at67);
    assert.deepEqual(answerer.counters, { answered: { OFFER: 10 }, dropped: { "too-many": 2 } });
  });
});

describe("full mode", () => {
  const network = networksFrom(on, full);

  test("a Mac gets an address by ordinary DHCP, and boot data only by its INFORM", async () => {
    const { answerer } = bench({ mode: "full", full });
    const offer = await answerer.answer(packet("fw-discover-i386"), at67, network);
    const offered = decodeDhcpPacket(offer!.bytes);
    assert.equal(offered.yiaddr, "10.77.0.50");
    assert.equal(offered.file, "");
    assert.equal(optionData(offered, 60), undefined);
    const list = await answerer.answer(packet("fw-inform-list-port68"), at67, network);
    assert.equal(Buffer.from(optionData(decodeDhcpPacket(list!.bytes), 60)!).toString(), "AAPLBSDPC");
  });

  test("policy disk: firmware gets a plain lease", async () => {
    const { answerer, lines } = bench({ mode: "full", full, policyOf: async () => ({ boot: "disk" }) });
    const offer = decodeDhcpPacket((await answerer.answer(packet("ovmf-x64-discover"), at67, network))!.bytes);
    assert.equal(offer.yiaddr, "10.77.0.50");
    assert.equal(offer.siaddr + offer.file, "0.0.0.0");
    assert.equal(lines[0]?.["noBoot"], "boots its own disk");
  });

  test("two packets at once do not get the same address", async () => {
    const { answerer } = bench({ mode: "full", full });
    const names = ["ovmf-x64-discover", "pixiecore-pcap-discover", "ipxe-e810-discover"];
    const answers = await Promise.all(names.map((name) => answerer.answer(packet(name), at67, network)));
    const addresses = answers.map((answer) => decodeDhcpPacket(answer!.bytes).yiaddr);
    assert.equal(new Set(addresses).size, 3);
  });

  test("a DHCP server that a client names instead of us is noted", async () => {
    const named: string[] = [];
    const others = { named: (server: string, own: string) => void named.push(`${server} ${own}`) };
    const { answerer } = bench({ mode: "full", full }, others);
    await answerer.answer(packet("ovmf-x64-request"), at67, network);
    assert.deepEqual(named, ["10.77.0.3 10.77.0.1"]);
  });

  test("bound leases are saved, offers are not, and a failing store does not stop the answer", async () => {
    const saved: string[] = [];
    const leases = {
      load: async () => [],
      save: async (lease: { address: string; state: string }) => {
        saved.push(`${lease.address} ${lease.state}`);
        throw new Error("disk full");
      },
      remove: async () => {},
    };
    const { answerer, lines } = bench({ mode: "full", full: { ...full, leases } });
    await answerer.answer(packet("ovmf-x64-discover"), at67, network);
    assert.deepEqual(saved, []);
    const discover = decodeDhcpPacket(packet("ovmf-x64-discover"));
    const options = [byteOption(53, 3), { code: 50, data: Uint8Array.of(10, 77, 0, 50) }];
    const ack = await answerer.answer(encodeDhcpPacket({ ...discover, options }), at67, network);
    assert.equal(decodeDhcpPacket(ack!.bytes).yiaddr, "10.77.0.50");
    assert.deepEqual(saved, ["10.77.0.50 bound"]);
    await new Promise(setImmediate);
    assert(lines.some((line) => line["msg"] === "a lease could not be saved"));
  });

  test("settings that cannot work are refused with a reason", () => {
    const refused = (changes: Partial<typeof full> & object, code: string) =>
      assert.throws(() => networksFrom(on, { ...full, ...changes }), { code });
    refused({ pools: [] }, "DHCP_NO_POOL");
    refused({ pools: ["10.88.0.50-10.88.0.99"] }, "DHCP_NO_POOL");
    refused({ pools: ["10.77.0.99-10.77.0.50"] }, "DHCP_POOL_RANGE");
    refused({ pools: ["10.0.0.0-10.255.255.255"] }, "DHCP_POOL_RANGE");
    refused({ router: "router" } as object, "DHCP_BAD_ADDRESS");
    refused({ dns: ["10.0.0.300"] } as object, "DHCP_BAD_ADDRESS");
  });

  test("an answer that is too long for the client is dropped and told", async () => {
    const options = [{ code: 12, data: new Uint8Array(1000).fill(0x61) }];
    const { answerer } = bench({ mode: "full", full });
    const long = networksFrom(on, { ...full, options });
    // Without option 57 a client need only take 576 bytes.
    const { options: all, ...rest } = decodeDhcpPacket(packet("ovmf-x64-discover"));
    const bytes = encodeDhcpPacket({ ...rest, options: all.filter((option) => option.code !== 57) });
    assert.equal(await answerer.answer(bytes, at67, long), undefined);
    assert.deepEqual(answerer.counters, { answered: {}, dropped: { DHCP_TOO_LONG: 1 } });
  });
});
