import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ServedInterface } from "../network/interfaces.ts";
import type { Finding } from "./finding.ts";

const PROGRAM_WITHIN_MS = 3_000;

/** What `ip -json address` says, as far as we read it. */
export type SystemAddress = {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly dynamic?: boolean }[];
};

/** Whether the addresses that machines are told stay what they are. */
export async function lookAtAddresses(interfaces: readonly ServedInterface[], signal: AbortSignal): Promise<Finding[]> {
  let text: string;
  try {
    const options = { signal, timeout: PROGRAM_WITHIN_MS };
    ({ stdout: text } = await promisify(execFile)("ip", ["-json", "-4", "address", "show"], options));
  } catch {
    return [{ probe: "address", status: "skip", detail: 'The program "ip" (iproute2) does not answer.' }];
  }
  return addressFindings(interfaces, JSON.parse(text) as SystemAddress[]);
}

export function addressFindings(interfaces: readonly ServedInterface[], system: readonly SystemAddress[]): Finding[] {
  return interfaces.map(({ name, address }) => {
    const probe = `address ${name}`;
    const found = system.find(({ ifname }) => ifname === name)?.addr_info?.find(({ local }) => local === address);
    if (found?.dynamic !== true) return { probe, status: "ok", detail: `${address}, fixed.` };
    return {
      probe,
      status: "warn",
      detail: `${name} has its address ${address} from a DHCP server, and may get another one in the middle of an evening.`,
      fix: `Give ${name} a fixed address (sudo nmtui, or /etc/network/interfaces), or reserve ${address} for it at the DHCP server`,
    };
  });
}
