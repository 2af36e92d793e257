import { readdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";

/** What the system says about the interface that a stream leaves by. */
export type LanInterface = {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly mac: string;
  readonly isLoopback: boolean;
  /** The wireless cards that it is, or is made of: the ports of a bridge, what is below a VLAN or a bond. */
  readonly wireless: readonly string[];
  readonly mtuBytes: number;
  /** Undefined where the driver does not say: virtual cards. */
  readonly speedMegabits: number | undefined;
  readonly isHalfDuplex: boolean;
  readonly hasCarrier: boolean;
  /** Of an interface that is a switch of this machine's own. */
  readonly bridge: { readonly snoops: boolean; readonly asks: boolean } | undefined;
  /** Routers that this machine sends through it to. */
  readonly gateways: readonly string[];
};

/** Where the system says it; a test has folders of its own. */
export type SystemPlaces = { readonly sys: string; readonly proc: string };

const places: SystemPlaces = { sys: "/sys/class/net", proc: "/proc/net" };
/** How deep interfaces are made of interfaces. */
const MOST_LEVELS = 4;

/** Undefined when no interface has this address. */
export async function readLanInterface(
  address: string,
  { sys, proc }: SystemPlaces = places,
  system = networkInterfaces(),
): Promise<LanInterface | undefined> {
  for (const [name, addresses] of Object.entries(system)) {
    const own = addresses?.find((one) => one.family === "IPv4" && one.address === address);
    if (own === undefined) continue;
    const folder = join(sys, name);
    const [index, mtu, speed, duplex, carrier] = await Promise.all(
      ["ifindex", "mtu", "speed", "duplex", "carrier"].map((file) => read(join(folder, file))),
    );
    const snooping = await read(join(folder, "bridge/multicast_snooping"));
    const querier = await read(join(folder, "bridge/multicast_querier"));
    return {
      name,
      index: Number(index ?? 0),
      address,
      mac: own.mac,
      isLoopback: own.internal,
      wireless: await wirelessOf(sys, name, 0),
      mtuBytes: Number(mtu ?? 1500),
      speedMegabits: Number(speed ?? 0) > 0 ? Number(speed) : undefined,
      isHalfDuplex: duplex === "half",
      hasCarrier: carrier !== "0",
      bridge: snooping === undefined ? undefined : { snoops: snooping === "1", asks: querier === "1" },
      gateways: gatewaysOf((await read(join(proc, "route"))) ?? "", name),
    };
  }
  return undefined;
}

/** The routers of one interface in /proc/net/route: addresses are hexadecimal, their bytes in the machine's order. */
export function gatewaysOf(table: string, name: string): string[] {
  const found = table
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter(([device, , gateway]) => device === name && /^[0-9A-F]{8}$/.test(gateway ?? "") && gateway !== "00000000")
    .map(([, , gateway]) => [6, 4, 2, 0].map((at) => Number.parseInt(gateway!.slice(at, at + 2), 16)).join("."));
  return [...new Set(found)];
}

async function wirelessOf(sys: string, name: string, level: number): Promise<string[]> {
  const files = await readdir(join(sys, name)).catch((): string[] => []);
  if (files.includes("wireless") || files.includes("phy80211")) return [name];
  if (level === MOST_LEVELS) return [];
  const ports = await readdir(join(sys, name, "brif")).catch((): string[] => []);
  const below = files.filter((file) => file.startsWith("lower_")).map((file) => file.slice("lower_".length));
  const found = await Promise.all([...new Set([...ports, ...below])].map((one) => wirelessOf(sys, one, level + 1)));
  return [...new Set(found.flat())];
}

async function read(path: string): Promise<string | undefined> {
  // Some files cannot be read while the link is down.
  return readFile(path, "latin1").then(
    (text) => text.trim(),
    () => undefined,
  );
}
