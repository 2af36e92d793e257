import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeDhcpPacket, encodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption, textOption } from "../../../bsdp/dhcp-values.ts";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import type { BootTraceEntry } from "../../../server/boot-trace/boot-trace.ts";
import { silenceInWords } from "../../../server/boot-trace/reasons.ts";
import { BootClients } from "../../../server/dhcp/boot-clients.ts";
import { networksFrom } from "../../../server/dhcp/network.ts";
import type { DhcpSettings } from "../../../server/dhcp/settings.ts";
import { bytesOf, packetVectors, vectorNamed } from "../../bsdp/packet-vectors.ts";
import { answererWith, on } from "../dhcp/answerer.ts";
import { memoryLeases } from "../dhcp/memory-leases.ts";

const full = { pools: ["10.77.0.50-10.77.0.51"], leaseSeconds: 600, leases: memoryLeases() };
const network = networksFrom(on, full);
const packet = (name: string) => bytesOf(vectorNamed(name).hex);
const arrival = (port = 67, serverAddress = "10.77.0.1") => ({
  port,
  serverAddress,
  source: { address: "10.77.0.199", port: 68 },
});

/** An answerer that tells a trace, and what it told. */
function bench(changes: Partial<DhcpSettings> = {}) {
  const told: BootTraceEntry[] = [];
  let nowMs = 1_000_000;
  const clients = new BootClients(() => nowMs);
  const answerer = answererWith({
    trace: { note: (entry) => told.push(entry) },
    clients,
    // Each packet comes a second after the one before.
    now: () => (nowMs += 1000),
    ...changes,
  });
  /** What is told of a packet, without its detail and address. */
  const tell = async (bytes: Uint8Array, at = arrival(), net?: typeof network) => {
    told.length = 0;
    await answerer.answer(bytes, at, net);
    assert(told.length <= 1, "one packet, one entry");
    const [entry] = told;
    return entry === undefined ? undefined : [entry.service, entry.asked, entry.answered ?? entry.reason];
  };
  return { told, tell, clients };
}

describe("what is told of a packet", () => {
  test("PXE beside another DHCP server, from the firmware's first question to iPXE", async () => {
    const { tell, told } = bench();
    assert.deepEqual(await tell(packet("ovmf-x64-discover")), ["pxe", "DISCOVER", "OFFER x64/snponly.efi"]);
    assert.deepEqual(told[0]?.detail, { is: "pxe", platform: "UEFI x64", file: "x64/snponly.efi" });
    assert.equal(told[0]?.mac, "52:54:00:77:00:01");
    const accepts = "it accepts the address that the DHCP server 10.77.0.3 offers";
    assert.deepEqual(await tell(packet("ovmf-x64-request")), ["pxe", "REQUEST", accepts]);
    assert.equal(told[0]?.isRefusal, undefined);
    const on4011 = await tell(packet("ovmf-x64-4011-request"), arrival(4011));
    assert.deepEqual(on4011, ["pxe", "REQUEST", "ACK on 4011 x64/snponly.efi"]);
    const ipxe = await tell(packet("ipxe-efi-discover"));
    assert.match(ipxe?.[2] ?? "", /^OFFER http:.*script\.ipxe\?mac=52:54:00:77:00:01$/);
    assert.equal(told[0]?.detail?.["platform"], "iPXE");
  });

  test("a Mac: list with its number of images, select, and a select that is for another server", async () => {
    const { tell, told } = bench();
    const at = arrival(67, "10.0.1.5");
    assert.deepEqual(await tell(packet("inform-list-startup-disk"), at), ["bsdp", "INFORM[LIST]", "ACK[LIST] 1 image"]);
    assert.equal(told[0]?.detail?.["platform"], "Mac iMac14,3");
    const select = await tell(packet("inform-select-startup-disk"), at);
    assert.deepEqual(select, ["bsdp", "INFORM[SELECT] image 0x81000089", "ACK[SELECT] nbi/booter"]);
    const foreign = await tell(packet("neg-select-other-server"), at);
    assert.deepEqual(foreign?.slice(2), ["asked another server (10.0.1.6)"]);
  });

  test("nothing ordered is no refusal; a missing loader is one, and says what to do", async () => {
    const idle = bench({ policyOf: async () => ({ boot: "disk" }) });
    const [, , why] = (await idle.tell(packet("ovmf-x64-discover"))) ?? [];
    assert.equal(why, "nothing is ordered for it: boots its own disk");
    assert.equal(idle.told[0]?.isRefusal, undefined);
    const policy: BootPolicy = { boot: "agent", secureBoot: true };
    const unsigned = bench({ policyOf: async () => policy });
    await unsigned.tell(packet("ovmf-x64-discover"));
    assert.match(unsigned.told[0]?.reason ?? "", /^there is no signed boot file for x64 .*bootcast boot-image build$/);
    assert.equal(unsigned.told[0]?.isRefusal, true);
  });

  test("full mode: address and file together, a NAK with its reason, an empty pool with what to do", async () => {
    const { tell, told } = bench({ mode: "full", full });
    const offer = await tell(packet("ovmf-x64-discover"), arrival(), network);
    assert.deepEqual(offer, ["pxe", "DISCOVER", "OFFER 10.77.0.50, x64/snponly.efi"]);
    const { options, ...discover } = decodeDhcpPacket(packet("ovmf-x64-discover"));
    const rest = options.filter(({ code }) => code !== 53);
    const wants = [byteOption(53, 3), addressOption(50, "10.77.0.99"), ...rest];
    const nak = await tell(encodeDhcpPacket({ ...discover, options: wants }), arrival(), network);
    assert.deepEqual(nak, ["pxe", "REQUEST", "NAK"]);
    assert.equal(told[0]?.reason, 'it is told "10.77.0.99 is not yours here", and asks anew');
    for (const name of ["aavmf-arm64-discover", "pixiecore-pcap-discover"])
      await tell(packet(name), arrival(), network);
    await tell(packet("ipxe-e810-discover"), arrival(), network);
    assert.match(told[0]?.reason ?? "", /^no address is free: make network\.pool larger/);
  });

  test("machines that only want an address: none in proxy mode, no renewals in full mode", async () => {
    const { options, ...discover } = decodeDhcpPacket(packet("ovmf-x64-discover"));
    const plain = (type: number, ciaddr = "0.0.0.0") =>
      encodeDhcpPacket({ ...discover, ciaddr, options: [byteOption(53, type), textOption(60, "MSFT 5.0")] });
    const proxy = bench();
    assert.equal(await proxy.tell(plain(1)), undefined);
    const server = bench({ mode: "full", full });
    assert.deepEqual(await server.tell(plain(1), arrival(), network), ["dhcp", "DISCOVER", "OFFER 10.77.0.50"]);
    assert.deepEqual(await server.tell(plain(3), arrival(), network), ["dhcp", "REQUEST", "ACK 10.77.0.50"]);
    assert.equal(await server.tell(plain(3, "10.77.0.50"), arrival(), network), undefined);
  });
});

test("addresses are learnt: option 50, an INFORM's own, and what we gave", async () => {
  const { tell, clients } = bench();
  await tell(packet("ovmf-x64-request"));
  assert.equal(clients.macOf("10.77.0.199"), "52:54:00:77:00:01");
  assert.equal(clients.isApple("10.77.0.199"), false);
  const { ciaddr } = decodeDhcpPacket(packet("inform-list-startup-disk"));
  await tell(packet("inform-list-startup-disk"));
  assert.deepEqual([clients.macOf(ciaddr), clients.isApple(ciaddr)], ["00:17:f2:a1:b2:c3", true]);
  const server = bench({ mode: "full", full });
  await server.tell(packet("pixiecore-pcap-discover"), arrival(), network);
  assert.equal(server.clients.macOf("10.77.0.50"), "d0:50:99:4e:05:57");
});

test("every recorded request gets words that a person can read", async () => {
  for (const mode of ["proxy", "full"] as const) {
    const { told, tell } = bench({ mode, full: { ...full, pools: ["10.77.0.50-10.77.0.99"] } });
    for (const { hex, family } of packetVectors) {
      if (family === "tftp" || family === "http") continue;
      await tell(bytesOf(hex), arrival(), mode === "full" ? network : undefined);
      for (const { asked, answered, reason } of told) {
        const text = `${asked} ${answered} ${reason}`;
        // A code is no sentence: "no-client-address", "DHCP_TOO_LONG".
        assert.doesNotMatch(`${reason ?? ""}`, /^[a-z]+(-[a-z]+)+$|^[A-Z]+_[A-Z_]+$|\.$/, text);
        assert(answered !== undefined || (reason ?? "") !== "", text);
      }
    }
  }
});

test("a reason that is a sentence already stays as it is, and counts as a refusal", () => {
  assert.deepEqual(silenceInWords("this host was set aside", {}), { text: "this host was set aside", isRefusal: true });
  assert.equal(silenceInWords("no loader for architecture 12", {}).isRefusal, true);
});
