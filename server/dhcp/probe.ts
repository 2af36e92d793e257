import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { BROADCAST_FLAG, decodeDhcpPacket, encodeDhcpPacket, optionAddress } from "../../bsdp/dhcp-packet.ts";
import { byteOption, MessageType, Option } from "../../bsdp/dhcp-values.ts";
import { BROADCAST_ADDRESS, CLIENT_PORT, SERVER_PORT } from "../../bsdp/reply-destination.ts";
import { Fault } from "../../fault.ts";
import { openDeviceSocket } from "./device-socket.ts";
import type { DhcpInterface } from "./settings.ts";

/**
 * Asks whether another DHCP server answers on an interface: as a client that
 * has our address (INFORM), and as one that looks for an address (DISCOVER),
 * which some servers answer only after three seconds of checking it. Where this
 * machine's own DHCP client holds port 68, we ask as a relay does.
 *
 * @param waitMs how long to listen for an answer
 * @returns the other server's address, or undefined when nobody answered
 * @throws {Fault} of `openDeviceSocket`
 */
export async function findOtherServer(on: DhcpInterface, waitMs: number): Promise<string | undefined> {
  const xid = randomInt(0x100000000);
  let found: (server: string | undefined) => void = () => {};
  const answer = new Promise<string | undefined>((resolve) => {
    found = resolve;
  });
  const open = (port: number) =>
    openDeviceSocket({
      device: on.name,
      address: on.address,
      port,
      onPacket: (bytes, source) => {
        const server = serverOf(bytes, xid, source.address);
        if (server !== undefined && server !== on.address) found(server);
      },
      // Without the socket nobody is heard; the deadline ends the wait.
      onError: () => {},
    });
  let relay = "0.0.0.0";
  const socket = await open(CLIENT_PORT).catch((error) => {
    if (!(error instanceof Fault) || error.code !== "UDP_PORT_TAKEN") throw error;
    relay = on.address;
    return open(SERVER_PORT);
  });
  const timer = setTimeout(() => found(undefined), waitMs);
  try {
    const to = { address: BROADCAST_ADDRESS, port: SERVER_PORT };
    const client = { ...emptyRequest(xid, on.name), giaddr: relay };
    const ask = (packet: DhcpPacket, type: number) =>
      socket.send(encodeDhcpPacket({ ...packet, options: [byteOption(Option.messageType, type)] }), to);
    // First the question that is answered at once: dnsmasq does nothing else while it checks an address.
    await ask({ ...client, ciaddr: on.address }, MessageType.inform);
    await ask(client, MessageType.discover);
    return await answer;
  } finally {
    clearTimeout(timer);
    await socket.close();
  }
}

/** Who sent this answer to our question; undefined for any other packet. */
function serverOf(bytes: Uint8Array, xid: number, source: string): string | undefined {
  try {
    const packet = decodeDhcpPacket(bytes);
    if (packet.op !== 2 || packet.xid !== xid) return undefined;
    // A proxy offers no address: it is no rival, PXE servers may stand beside each other.
    const isLease = packet.yiaddr !== "0.0.0.0" || optionAddress(packet, Option.subnetMask) !== undefined;
    return isLease ? (optionAddress(packet, Option.serverId) ?? source) : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function emptyRequest(xid: number, device: string): DhcpPacket {
  const mac = networkInterfaces()[device]?.find((one) => one.family === "IPv4")?.mac ?? "02:00:00:00:00:01";
  const chaddr = new Uint8Array(16);
  chaddr.set(Buffer.from(mac.replaceAll(":", ""), "hex"));
  const none = "0.0.0.0";
  return {
    op: 1,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid,
    secs: 0,
    flags: BROADCAST_FLAG,
    ciaddr: none,
    yiaddr: none,
    siaddr: none,
    giaddr: none,
    chaddr,
    sname: "",
    file: "",
    options: [],
  };
}
