import assert from "node:assert/strict";
import { isMachineAddress } from "../../../bsdp/address.ts";
import { BsdpMessage, decodeBsdpOptions } from "../../../bsdp/bsdp-options.ts";
import { decodeDhcpPacket, optionAddress, optionData, optionInstances } from "../../../bsdp/dhcp-packet.ts";
import { MessageType, messageTypeOf, numberOf2, Option } from "../../../bsdp/dhcp-values.ts";
import type { Arrival } from "../../../bsdp/proxy.ts";
import { pxeClientOf } from "../../../bsdp/pxe-client.ts";
import type { Answer } from "../../../server/dhcp/write.ts";

/**
 * What must hold for every answer to any packet, whatever is in the packet.
 *
 * @param mode `proxy` must never give an address away
 */
export function assertAllowed(asked: Uint8Array, arrival: Arrival, answer: Answer, mode: "proxy" | "full"): void {
  const request = decodeDhcpPacket(asked);
  const reply = decodeDhcpPacket(answer.bytes);
  const type = messageTypeOf(reply);
  const requestType = messageTypeOf(request);
  assert.equal(request.op, 1, "only requests are answered");
  assert.deepEqual([request.htype, request.hlen], [1, 6], "only Ethernet is answered");
  assert.equal(reply.op, 2);
  assert(answer.bytes.length >= 300, "old clients drop shorter ones");
  for (const field of ["htype", "hlen", "xid", "giaddr"] as const) assert.equal(reply[field], request[field], field);
  assert.deepEqual(Buffer.from(reply.chaddr), Buffer.from(request.chaddr), "chaddr");
  assert.deepEqual([reply.hops, reply.secs], [0, 0]);
  assert(type === MessageType.offer || type === MessageType.ack || type === MessageType.nak, `type ${type}`);
  assert(optionAddress(reply, Option.serverId) !== undefined, "54");
  assert(Buffer.byteLength(reply.file, "latin1") <= 127);
  assertDestination(request, arrival, answer);
  // RFC 3046 2.2: what a relay wrote comes back unchanged and last.
  const relayed = optionInstances(request, Option.relayAgent);
  const vendorClass = Buffer.from(optionData(reply, Option.vendorClass) ?? []).toString("latin1");
  if (vendorClass === "AAPLBSDPC") {
    assertBsdp(answer, requestType, request.ciaddr);
    // An INFORM is answered past the relay.
    if (type === MessageType.ack) return;
  }
  if (relayed.length > 0 && (vendorClass !== "AAPLBSDPC" || request.giaddr !== "0.0.0.0")) {
    assert.deepEqual(optionInstances(reply, Option.relayAgent).map(hex), relayed.map(hex), "82 is echoed");
    assert.equal(reply.options.at(-1)?.code, Option.relayAgent, "82 is the last one");
  }
  if (mode === "proxy") {
    assert.equal(reply.yiaddr, "0.0.0.0", "a proxy gives no address");
    assert.equal(optionData(reply, Option.leaseTime), undefined, "a proxy gives no lease");
    assert.notEqual(type, MessageType.nak, "a proxy refuses nothing");
    assert(!(arrival.port === 67 && requestType === MessageType.request), "REQUEST on 67 is the DHCP server's");
  }
  const client = pxeClientOf(request);
  if (mode === "proxy" && vendorClass !== "AAPLBSDPC") {
    assert(client !== undefined, "a proxy answers boot clients only");
  }
  if (vendorClass === "AAPLBSDPC") return;
  if (client?.kind === "pxe" && client.platform !== "bios" && client.bootItem === undefined && mode === "proxy") {
    assert.equal(optionData(reply, Option.vendorOptions), undefined, "no option 43 for UEFI (tianocore/edk2#6944)");
  }
  if (vendorClass !== "HTTPClient" && mode === "proxy") {
    assert.equal(optionData(reply, Option.bootFileName), undefined, "67 is for HTTP boot alone");
  }
  if (vendorClass !== "") assert.notEqual(reply.siaddr, "0.0.0.0", "old EDK2 stops at siaddr 0");
}

function assertDestination(request: { ciaddr: string; giaddr: string }, arrival: Arrival, { to }: Answer): void {
  if (arrival.port === 4011) {
    assert.deepEqual(to, arrival.source, "4011 answers its sender");
    return;
  }
  if (to.address === "255.255.255.255") assert.equal(to.port, 68, "only clients are broadcast to");
  else {
    assert(isMachineAddress(to.address), to.address);
    assert([request.ciaddr, request.giaddr, arrival.source.address].includes(to.address) || to.port === 68, to.address);
  }
  assert(to.port > 0 && to.port < 1024, `port ${to.port}`);
}

function assertBsdp({ bytes, to }: Answer, requestType: number | undefined, ciaddr: string): void {
  const reply = decodeDhcpPacket(bytes);
  const type = messageTypeOf(reply);
  assert.equal(reply.yiaddr, "0.0.0.0", "BSDP never gives an address");
  for (const instance of optionInstances(reply, Option.vendorOptions)) {
    // Whole sub-options in each instance, and no inner end mark.
    decodeBsdpOptions([instance]);
    assert(!endsWithMark(instance), "no inner end mark");
  }
  const options = decodeBsdpOptions(optionInstances(reply, Option.vendorOptions));
  if (type === MessageType.offer) {
    assert.equal(requestType, MessageType.discover);
    assert.equal(options.messageType, undefined, "a bound OFFER has no message type");
    assert(options.selectedImage !== undefined);
    return;
  }
  assert.equal(type, MessageType.ack, "failure is an ACK, too");
  assert.equal(requestType, MessageType.inform, "only an INFORM gets an ACK");
  assert.equal(to.address, ciaddr, "an INFORM is answered to the client itself");
  assert(options.messageType === BsdpMessage.list || options.messageType !== undefined);
  if (options.messageType === BsdpMessage.list) assert.notEqual(options.defaultImage ?? 0, 0, "a default, never 0");
}

function endsWithMark(instance: Uint8Array): boolean {
  for (let at = 0; at < instance.length; at += 2 + instance[at + 1]!) if (instance[at] === 255) return true;
  return false;
}

/** Largest answer in bytes that the request allows, without IP and UDP headers. */
export function largestAnswer(asked: Uint8Array): number {
  const request = decodeDhcpPacket(asked);
  const vendorClass = Buffer.from(optionData(request, Option.vendorClass) ?? []).toString("latin1");
  const own = optionData(request, Option.maxMessageSize);
  const size = own?.length === 2 ? numberOf2(own) : 0;
  if (!vendorClass.startsWith("AAPLBSDPC")) return Math.min(Math.max(size, 576), 1472) - 28;
  const { maxMessageSize } = decodeBsdpOptions(optionInstances(request, Option.vendorOptions));
  return Math.min(Math.max(maxMessageSize ?? size, 548), 8192) - 28;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
