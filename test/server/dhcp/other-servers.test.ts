import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { decodeDhcpPacket, encodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption } from "../../../bsdp/dhcp-values.ts";
import { OtherServers } from "../../../server/dhcp/other-servers.ts";
import type { DhcpEvent } from "../../../server/dhcp/settings.ts";
import { bytesOf, vectorNamed } from "../../bsdp/packet-vectors.ts";

const on = { name: "eth0", address: "10.77.0.9", netmask: "255.255.255.0" };
const proxyOffer = bytesOf(vectorNamed("proxy-offer-uefi-file-in-offer").hex);
const plainOffer = encodeDhcpPacket({
  ...decodeDhcpPacket(proxyOffer),
  file: "",
  yiaddr: "10.77.0.60",
  options: [byteOption(53, 2), addressOption(54, "10.77.0.3")],
});

function bench(mode: "proxy" | "full") {
  const lines: Record<string, unknown>[] = [];
  const events: DhcpEvent[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const others = new OtherServers({ mode, log, now: () => 5, tell: (event) => void events.push(event) }, () => [on]);
  return { others, lines, events };
}

test("another boot server is warned of once, with its address and file", () => {
  const { others, lines, events } = bench("proxy");
  for (let time = 0; time < 3; time += 1) others.hear(proxyOffer, "10.77.0.1", "eth0");
  const { file } = decodeDhcpPacket(proxyOffer);
  assert.equal(lines.length, 1);
  assert.deepEqual([lines[0]?.["level"], lines[0]?.["server"], lines[0]?.["file"]], [40, "10.77.0.1", file]);
  assert.deepEqual(
    events.map(({ kind, data }) => [kind, data["file"]]),
    [["dhcp.other-server", file]],
  );
  assert.deepEqual(others.seen, [
    { interface: "eth0", server: "10.77.0.1", givesAddresses: false, bootFile: file, lastSeenMs: 5 },
  ]);
});

test("a DHCP server is what a proxy works beside, and a rival in full mode", () => {
  const proxy = bench("proxy");
  proxy.others.hear(plainOffer, "10.77.0.3", "eth0");
  assert.deepEqual([proxy.lines, proxy.events], [[], []]);
  const full = bench("full");
  full.others.hear(plainOffer, "10.77.0.3", "eth0");
  full.others.named("10.77.0.3", on.address);
  assert.equal(full.lines.length, 1);
  assert.equal(full.events.length, 1);
});

test("any bytes are heard without harm, and no more servers than a hundred are remembered", () => {
  const { others, lines } = bench("proxy");
  for (let length = 0; length < proxyOffer.length; length += 7) {
    others.hear(proxyOffer.subarray(0, length), "10.77.0.1", "eth0");
  }
  for (let number = 0; number < 300; number += 1) others.named(`10.78.${number >> 8}.${number & 255}`, on.address);
  assert.equal(others.seen.length <= 100, true);
  assert.equal(lines.length <= 1, true);
});
