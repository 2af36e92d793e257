import { PROXY_PORT, SERVER_PORT } from "../bsdp/reply-destination.ts";
import { Fault } from "../fault.ts";
import { openAddressProbe } from "./address-probe.ts";
import type { DeviceSocket, PacketSource } from "./device-socket.ts";
import { openDeviceSocket } from "./device-socket.ts";
import { DhcpAnswerer } from "./dhcp-answer.ts";
import { type NetworkOf, networksFrom } from "./dhcp-network.ts";
import { findOtherServer } from "./dhcp-probe.ts";
import type { DhcpInterface, DhcpServer, DhcpSettings } from "./dhcp-settings.ts";
import { LeaseBook } from "./lease-book.ts";

/** dnsmasq looks for three seconds whether an address is in use before it offers it. */
const DEFAULT_PROBE_MS = 4000;

/**
 * Starts answering DHCP, PXE and BSDP on ports 67 and 4011 of each interface.
 * In full mode it first asks whether another DHCP server is there.
 *
 * @throws {Fault} DHCP_OTHER_SERVER, the faults of `networksFrom` and of `openDeviceSocket`
 */
export async function startDhcp(settings: DhcpSettings): Promise<DhcpServer> {
  const networks = await networksOf(settings);
  const { full } = settings;
  const probe = settings.mode === "full" && full?.checksAddresses !== false ? openAddressProbe() : undefined;
  const book =
    settings.mode === "full" && full !== undefined
      ? new LeaseBook({ ...settings, store: full.leases, probe }, await full.leases.load())
      : undefined;
  const answerer = new DhcpAnswerer(settings, book);
  const sockets: DeviceSocket[] = [];
  const running = new Set<Promise<void>>();
  try {
    for (const on of settings.interfaces) {
      for (const port of settings.mode === "proxy-4011" ? [PROXY_PORT] : [SERVER_PORT, PROXY_PORT])
        sockets.push(await open(on, port));
    }
  } catch (error) {
    await Promise.all(sockets.map((socket) => socket.close()));
    throw error;
  }

  async function open(on: DhcpInterface, port: number): Promise<DeviceSocket> {
    let socket: DeviceSocket | undefined;
    socket = await openDeviceSocket({
      device: on.name,
      address: on.address,
      port,
      onPacket: (bytes, source) => {
        // A packet may come before the socket is ours to send from; its sender will repeat it.
        if (socket === undefined) return;
        const work = answer(socket, bytes, source, on, port).catch((error) => {
          settings.log.error({ err: error, interface: on.name, port }, "a packet could not be answered");
        });
        running.add(work);
        void work.finally(() => running.delete(work));
      },
      onError: (error) => settings.log.error({ err: error, interface: on.name, port }, "the socket reports an error"),
    });
    return socket;
  }

  async function answer(
    socket: DeviceSocket,
    bytes: Uint8Array,
    source: PacketSource,
    on: DhcpInterface,
    port: number,
  ) {
    const arrival = { port, serverAddress: on.address, source };
    const found = await answerer.answer(bytes, arrival, networks.get(on.name));
    if (found !== undefined) await socket.send(found.bytes, found.to);
  }

  settings.log.info(
    { mode: settings.mode, interfaces: settings.interfaces.map((on) => `${on.name} ${on.address}`) },
    "DHCP answers",
  );
  return {
    counters: answerer.counters,
    stop: async () => {
      await Promise.all(running);
      probe?.close();
      await Promise.all(sockets.map((socket) => socket.close()));
    },
  };
}

/** The networks that we give out addresses in; empty in proxy mode. */
async function networksOf(settings: DhcpSettings): Promise<Map<string, NetworkOf>> {
  const { full, interfaces, mode, log } = settings;
  if (mode !== "full") return new Map();
  if (full === undefined) {
    throw new Fault("DHCP_NO_POOL", {
      what: "There are no addresses to give out.",
      why: 'network.dhcp is "full", but network.pool is not set.',
      fix: 'Set network.pool, for example "10.0.0.50-10.0.0.99", or use dhcp = "proxy".',
    });
  }
  const networks = new Map(interfaces.map((on) => [on.name, networksFrom(on, full)]));
  const waitMs = full.probeMs ?? DEFAULT_PROBE_MS;
  if (waitMs === 0 || full.allowsOther === true) return networks;
  log.info({ waitMs }, "looking for another DHCP server");
  const others = await Promise.all(interfaces.map((on) => findOtherServer(on, waitMs)));
  for (const [at, other] of others.entries()) {
    if (other === undefined) continue;
    throw new Fault("DHCP_OTHER_SERVER", {
      what: `${other} is already the DHCP server on ${interfaces[at]?.name}.`,
      why: "Two DHCP servers on one network give the same addresses to different machines.",
      fix: 'Set network.dhcp = "proxy" to work beside it, or stop it; network.allow_other_dhcp = true starts anyway.',
    });
  }
  return networks;
}
