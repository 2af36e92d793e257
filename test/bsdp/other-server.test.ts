import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption, textOption } from "../../bsdp/dhcp-values.ts";
import { otherServerOf } from "../../bsdp/other-server.ts";
import { bytesOf, vectorNamed } from "./packet-vectors.ts";

const recorded = (name: string) => decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
const own = ["10.77.0.9"];

test("another proxy is seen with its file", () => {
  assert.deepEqual(otherServerOf(recorded("proxy-offer-uefi-file-in-offer"), "10.77.0.1", own), {
    server: "10.77.0.1",
    givesAddresses: false,
    boots: { file: recorded("proxy-offer-uefi-file-in-offer").file, vendorClass: "PXEClient" },
  });
  const http = otherServerOf(recorded("proxy-offer-uefi-http"), "10.77.0.1", own);
  assert.match(http?.boots?.file ?? "", /^http:/);
});

test("a DHCP server that sends boot data itself is seen with option 67, without the NUL behind it", () => {
  const offer = {
    ...recorded("proxy-offer-uefi-file-in-offer"),
    file: "",
    yiaddr: "10.77.0.60",
    options: [byteOption(53, 2), addressOption(54, "10.77.0.3"), textOption(67, "pxelinux.0\0")],
  };
  assert.deepEqual(otherServerOf(offer, "10.77.0.3", own), {
    server: "10.77.0.3",
    givesAddresses: true,
    boots: { file: "pxelinux.0", vendorClass: "" },
  });
});

test("a DHCP server without boot data gives addresses and nothing else", () => {
  const ack = {
    ...recorded("proxy-offer-uefi-file-in-offer"),
    file: "",
    yiaddr: "10.77.0.60",
    options: [byteOption(53, 5), addressOption(54, "10.77.0.3")],
  };
  assert.deepEqual(otherServerOf(ack, "10.77.0.3", own), { server: "10.77.0.3", givesAddresses: true });
});

test("our own answers, refusals and clients' packets are no other server", () => {
  const offer = recorded("proxy-offer-uefi-file-in-offer");
  assert.equal(otherServerOf(offer, "10.77.0.1", ["10.77.0.1"]), undefined);
  // With a relay in between, option 54 may be another address than the sender's.
  assert.equal(otherServerOf(offer, "10.77.0.9", own), undefined);
  assert.equal(otherServerOf({ ...offer, options: [byteOption(53, 6)] }, "10.77.0.3", own), undefined);
  assert.equal(otherServerOf(recorded("ovmf-x64-discover"), "0.0.0.0", own), undefined);
});
