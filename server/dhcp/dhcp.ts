import { SERVER_PORT } from "../../bsdp/reply-destination.ts";
import { Fault } from "../../fault.ts";
import { openAddressProbe } from "./address-probe.ts";
import { DhcpAnswerer } from "./answer.ts";
import { answerOn, type DhcpOnInterface } from "./interface.ts";
import { LeaseBook } from "./lease-book.ts";
import { networksFrom } from "./network.ts";
import { OtherServers } from "./other-servers.ts";
import { udpListeners } from "./port-neighbours.ts";
import { findOtherServer } from "./probe.ts";
import type { DhcpInterface, DhcpServer, DhcpSettings } from "./settings.ts";

/** dnsmasq looks for three seconds whether an address is in use before it offers it. */
const DEFAULT_PROBE_MS = 4000;

/**
 * Starts answering DHCP, PXE and BSDP on ports 67 and 4011 of each interface.
 * In full mode it first asks whether another DHCP server is there.
 *
 * @throws {Fault} DHCP_OTHER_SERVER, the faults of `networksFrom` and of `openDeviceSocket`
 */
export async function startDhcp(settings: DhcpSettings): Promise<DhcpServer> {
  const { log, mode } = settings;
  const full = fullOf(settings);
  const serving = new Map<string, DhcpOnInterface>();
  const interfaces = new Map<string, DhcpInterface>();
  const others = new OtherServers(settings, () => [...interfaces.values()]);
  const probe = full === undefined || full.checksAddresses === false ? undefined : openAddressProbe();
  const book =
    full === undefined
      ? undefined
      : new LeaseBook({ ...settings, store: full.leases, probe }, await full.leases.load());
  const answerer = new DhcpAnswerer(settings, book, others);

  const ownAddresses = () => [...interfaces.values()].map(({ address }) => address);

  async function add(on: DhcpInterface): Promise<void> {
    const networkOf = full === undefined ? undefined : networksFrom(on, full);
    interfaces.set(on.name, on);
    try {
      serving.set(on.name, await answerOn(on, { settings, answerer, others, networkOf, ownAddresses }));
    } catch (error) {
      interfaces.delete(on.name);
      throw error;
    }
  }

  async function remove(name: string): Promise<void> {
    const one = serving.get(name);
    serving.delete(name);
    interfaces.delete(name);
    await one?.close();
  }

  async function stop(): Promise<void> {
    await Promise.all([...serving.keys()].map(remove));
    probe?.close();
  }

  try {
    if (full !== undefined) await refuseBesideOthers(settings, full);
    if (mode !== "proxy-4011") await warnOfNeighbours(settings);
    for (const on of settings.interfaces) await add(on);
  } catch (error) {
    await stop();
    throw error;
  }
  log.info({ mode, interfaces: settings.interfaces.map((on) => `${on.name} ${on.address}`) }, "DHCP answers");
  return {
    counters: answerer.counters,
    get otherServers() {
      return others.seen;
    },
    async add(on) {
      if (full !== undefined) await refuseBesideOthers({ ...settings, interfaces: [on] }, full);
      await add(on);
    },
    remove,
    stop,
  };
}

type Full = NonNullable<DhcpSettings["full"]>;

/** The settings of full mode; undefined in the others. */
function fullOf({ mode, full }: DhcpSettings): Full | undefined {
  if (mode !== "full") return undefined;
  if (full !== undefined) return full;
  throw new Fault("DHCP_NO_POOL", {
    what: "There are no addresses to give out.",
    why: 'network.dhcp is "full", but network.pool is not set.',
    fix: 'Set network.pool, for example "10.0.0.50-10.0.0.99", or network.dhcp = "proxy".',
  });
}

/** Two programs can hear a broadcast, but what is sent to this machine alone goes to one of them: to us. */
async function warnOfNeighbours({ log, mode }: DhcpSettings): Promise<void> {
  const addresses = await udpListeners(SERVER_PORT);
  if (addresses.length === 0) return;
  const proxy = mode === "proxy" ? 'Set network.dhcp = "proxy-4011" and let it send option 60 "PXEClient"' : "Stop it";
  const fix = `${proxy}; "ss -ulpn sport = :${SERVER_PORT}" names it.`;
  log.warn({ addresses, fix }, "another program on this machine serves DHCP: clients that renew may not reach it");
}

/** @throws {Fault} DHCP_OTHER_SERVER, those of `networksFrom` and of `openDeviceSocket` */
async function refuseBesideOthers({ interfaces, log }: DhcpSettings, full: Full): Promise<void> {
  // What cannot work is said before anybody waits.
  for (const on of interfaces) networksFrom(on, full);
  const waitMs = full.probeMs ?? DEFAULT_PROBE_MS;
  if (waitMs === 0 || full.allowsOther === true) return;
  log.info({ waitMs }, "looking for another DHCP server");
  const found = await Promise.all(interfaces.map((on) => findOtherServer(on, waitMs)));
  for (const [at, other] of found.entries()) {
    if (other === undefined) continue;
    throw new Fault("DHCP_OTHER_SERVER", {
      what: `${other} is already the DHCP server on ${interfaces[at]?.name}.`,
      why: "Two DHCP servers on one network give the same addresses to different machines.",
      fix: 'Set network.dhcp = "proxy" to work beside it, or stop it; network.allow_other_dhcp = true starts anyway.',
    });
  }
}
