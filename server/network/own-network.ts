import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import type { SystemInterfaces } from "./interfaces.ts";

/** The network of an own address, "10.77.0.0/24"; undefined when it is not ours. */
export function networkOf(address: string, system: SystemInterfaces = networkInterfaces()): string | undefined {
  const found = Object.values(system)
    .flatMap((list = []) => list)
    .find((one) => one.address === address && isIPv4(one.address));
  const [, bits] = found?.cidr?.split("/") ?? [];
  return bits === undefined ? undefined : networkText(address, Number(bits));
}

/** Whether an address lies in a network as `networkOf` gives it. */
export function isInNetwork(network: string, address: string): boolean {
  const [, bits = "32"] = network.split("/");
  return isIPv4(address) && networkText(address, Number(bits)) === network;
}

function networkText(address: string, bits: number): string {
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  // Shifting by 32 shifts by nothing.
  const first = bits === 0 ? 0 : (number & (0xffff_ffff << (32 - bits))) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join(".")}/${bits}`;
}
