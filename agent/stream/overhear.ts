import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import { listenToWire } from "../../udp/wire-listener.ts";

/** Four canaries a second: two or three come in this time, when any do. */
export const OVERHEAR_MS = 700;
const DESTINATION_AT = 16;
const LOOK_EVERY_MS = 20;

/**
 * Whether what is sent to a group arrives here although this machine did not join it: then a switch on the way floods
 * it to every port, and every machine of the network gets it.
 *
 * @returns undefined where that cannot be said: this machine is a member already, only root may listen below IP, or it
 *   is the loopback interface
 */
export async function overhear(options: {
  readonly interfaceAddress: string;
  readonly group: string;
  readonly forMs: number;
  readonly signal?: AbortSignal | undefined;
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean | undefined;
}): Promise<boolean | undefined> {
  const { interfaceAddress, group, forMs, signal, withoutKoffi } = options;
  const [name, own] = interfaceOf(interfaceAddress);
  const calls = withoutKoffi === true ? undefined : loadSystemCalls();
  if (calls === undefined || name === undefined || own?.internal === true) return undefined;
  const index = await readFile(`/sys/class/net/${name}/ifindex`, "latin1").catch(() => undefined);
  if (index === undefined || (await isMember(name, group))) return undefined;
  const bytes = Uint8Array.from(group.split("."), Number);
  let isHeard = false;
  const onPacket = (packet: Uint8Array) => {
    if (bytes.every((byte, at) => packet[DESTINATION_AT + at] === byte)) isHeard = true;
  };
  let wire: { close(): void };
  try {
    wire = listenToWire(calls, { interfaceIndex: Number(index), group, onPacket });
  } catch {
    return undefined;
  }
  const until = performance.now() + forMs;
  while (!isHeard && performance.now() < until && signal?.aborted !== true) await sleep(LOOK_EVERY_MS);
  wire.close();
  return isHeard;
}

function interfaceOf(address: string) {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const own = addresses?.find((one) => one.address === address);
    if (own !== undefined) return [name, own] as const;
  }
  return [];
}

async function isMember(name: string, group: string): Promise<boolean> {
  return membershipsOf(await readFile("/proc/net/igmp", "latin1").catch(() => ""), name).includes(group);
}

/** The groups of one interface in /proc/net/igmp: hexadecimal, their bytes in the machine's own order (little-endian). */
export function membershipsOf(table: string, name: string): string[] {
  const groups: string[] = [];
  let device = "";
  for (const line of table.split("\n").slice(1)) {
    const head = /^\d+\t(\S+)\s*:/.exec(line);
    if (head !== null) device = head[1] ?? "";
    const group = /^\t+([0-9A-F]{8})\b/.exec(line)?.[1];
    if (group === undefined || device !== name) continue;
    groups.push([6, 4, 2, 0].map((at) => Number.parseInt(group.slice(at, at + 2), 16)).join("."));
  }
  return groups;
}
