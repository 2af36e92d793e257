import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { inSameNetwork } from "../../bsdp/address.ts";
import type { BsdpClientAction, FoundServer } from "../../bsdp/bsdp-client.ts";
import { BsdpClient } from "../../bsdp/bsdp-client.ts";
import { encodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { BROADCAST_ADDRESS, SERVER_PORT } from "../../bsdp/reply-destination.ts";
import { Fault } from "../../fault.ts";
import { type DeviceSocket, openDeviceSocket } from "../../server/dhcp/device-socket.ts";
import type { ProbeResult } from "./boot-probes.ts";

/** How the segment is asked: as a Mac of 2014 whose owner opens the Startup Disk panel. */
const ASKED_AS = { profile: "startup-disk", arch: "i386", model: "Macmini7,1" } as const;
/** The panel's reply ports are below 1024; these are nobody's by name. */
const REPLY_PORTS = { from: 993, tries: 8 } as const;
/** The question is asked twice in this time; servers answer within milliseconds. */
const LONGEST_MS = 3000;

type Segment = { readonly name: string; readonly address: string; readonly mac: string };

/**
 * Looks for BSDP servers on the server's segment, and warns when there is another one: Macs then take whichever has
 * the higher priority.
 *
 * @returns undefined where it cannot be asked: the server is not on a network of this machine, or ports below 1024 are
 *   not ours to open
 */
export async function probeBsdpServers(asked: {
  readonly server: string;
  readonly deadlineMs: number;
}): Promise<ProbeResult | undefined> {
  const segment = segmentOf(asked.server);
  if (segment === undefined) return undefined;
  const probe = `bsdp on ${segment.name}`;
  try {
    const found = await findBsdpServers(segment, Math.min(asked.deadlineMs, LONGEST_MS));
    return resultOf(probe, found, asked.server);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === "UDP_NOT_PERMITTED" || error.code === "UDP_NEEDS_KOFFI") return undefined;
    return { probe, status: "warn", detail: `${error.what} ${error.why}`, fix: error.fix, code: error.code };
  }
}

function resultOf(probe: string, found: readonly FoundServer[], ours: string): ProbeResult {
  const others = found.filter((one) => one.address !== ours);
  const own = found.find((one) => one.address === ours);
  if (others.length === 0) {
    return { probe, status: "ok", detail: own === undefined ? "no other server" : `${told(own)}; no other server` };
  }
  const detail = others.map((one) => `another BSDP server answers: ${told(one)}`).join("; ");
  const fix = "Macs take the highest priority: switch the other one off, or set bsdp.priority above it.";
  return { probe, status: "warn", detail, fix };
}

function told({ address, priority, images }: FoundServer): string {
  const names = images.map((image) => image.name).join(", ");
  return `${address}, priority ${priority}, ${images.length === 1 ? "1 image" : `${images.length} images`}${names === "" ? "" : `: ${names}`}`;
}

/** The network of this machine that the server is on; undefined for loopback and for what is beyond a router. */
function segmentOf(server: string): Segment | undefined {
  if (!/^\d+(?:\.\d+){3}$/.test(server)) return undefined;
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { family, internal, address, netmask, mac } of addresses) {
      if (family === "IPv4" && !internal && inSameNetwork(server, address, netmask)) return { name, address, mac };
    }
  }
  return undefined;
}

/**
 * Everybody who answers a LIST within `waitMs`, the highest priority first.
 *
 * @throws {Fault} of `openDeviceSocket`
 */
export async function findBsdpServers(on: Segment, waitMs: number): Promise<readonly FoundServer[]> {
  const opened = await openReplyPort(on, (bytes) => client.onPacket(bytes, performance.now()));
  const client = new BsdpClient({
    ...ASKED_AS,
    mac: on.mac,
    address: on.address,
    replyPort: opened.port,
    xid: randomInt(0x100000000),
    // Only to look: nothing is ever selected.
    choose: () => undefined,
    random: Math.random,
  });
  const send = async (actions: readonly BsdpClientAction[]) => {
    for (const action of actions) {
      if (action.type !== "send") continue;
      await opened.socket.send(encodeDhcpPacket(action.packet), { address: BROADCAST_ADDRESS, port: SERVER_PORT });
    }
  };
  try {
    const endMs = performance.now() + waitMs;
    await send(client.start(performance.now()));
    while (!client.hasEnded && performance.now() < endMs) {
      const wakeMs = Math.min(client.deadline, endMs);
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, wakeMs - performance.now())));
      await send(client.onTimer(performance.now()));
    }
    return client.found;
  } finally {
    await opened.socket.close();
  }
}

async function openReplyPort(
  on: Segment,
  onPacket: (bytes: Uint8Array) => void,
): Promise<{ socket: DeviceSocket; port: number }> {
  for (let port: number = REPLY_PORTS.from; ; port += 1) {
    try {
      // Without the socket nobody is heard; the deadline ends the wait.
      const onError = () => {};
      return {
        socket: await openDeviceSocket({ device: on.name, address: on.address, port, onPacket, onError }),
        port,
      };
    } catch (error) {
      const isLast = port === REPLY_PORTS.from + REPLY_PORTS.tries - 1;
      if (isLast || !(error instanceof Fault) || error.code !== "UDP_PORT_TAKEN") throw error;
    }
  }
}
