import { StreamControl } from "../../agent/stream/control.ts";
import { overhear } from "../../agent/stream/overhear.ts";
import { localAddressTowards } from "../../agent/stream/socket.ts";
import { Fault } from "../../fault.ts";
import { checkLan } from "../../server/stream/lan-check.ts";
import type { ProbeResult } from "./boot-probes.ts";

const FLOOD_MS = 2_000;
const MOST_STREAMS = 4;

/** Looks at a network of this machine as a stream would before its first byte: about three seconds. Sends nothing but IGMP. */
export async function probeLan(stream: {
  readonly interfaceAddress: string;
  readonly group: string;
  readonly port: number;
  readonly rateBytesPerSecond: number;
  readonly ttl: number;
}): Promise<ProbeResult[]> {
  const stopped = new AbortController();
  try {
    const check = await checkLan({ ...stream, whenTaken: "warn", own: [], allowWifi: false, signal: stopped.signal });
    if (check === undefined) {
      return [
        { probe: "lan interface", status: "ok", detail: `${stream.interfaceAddress} is the loopback interface.` },
      ];
    }
    const findings = [...check.findings, await check.querier];
    return findings.map(({ probe, ...rest }) => ({ probe: `lan ${probe}`, ...rest }));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, what, why, fix } = error;
    return [{ probe: "lan", status: "fail", detail: `${what} ${why}`, fix, code }];
  } finally {
    stopped.abort();
  }
}

/**
 * Whether the streams of a server reach this machine, which does not take part in them: then a switch floods them.
 * Nothing when the server has no stream that is sent now, or does not say.
 */
export async function probeFlooding(target: {
  readonly server: string;
  readonly httpPort: number;
  readonly deadlineMs: number;
}): Promise<ProbeResult[]> {
  const { server, httpPort, deadlineMs } = target;
  const signal = AbortSignal.timeout(deadlineMs);
  const control = new StreamControl({ server: new URL(`http://${server}:${httpPort}`), signal });
  try {
    const { streams } = await control.streams();
    const sent = streams.filter(({ state, receivers }) => state !== "ended" && receivers > 0).slice(0, MOST_STREAMS);
    const interfaceAddress = await localAddressTowards(server, httpPort);
    // The server itself does not hear what it sends.
    if (interfaceAddress === server || interfaceAddress.startsWith("127.")) return [];
    return await Promise.all(
      sent.map(async ({ description: { group }, image }) => {
        const isFlooded = await overhear({ interfaceAddress, group, forMs: FLOOD_MS });
        return floodingResult(`${group} (${image})`, isFlooded);
      }),
    );
  } catch (error) {
    // That nothing answers there is told by the probes of the boot files.
    if (error instanceof Fault || signal.aborted) return [];
    throw error;
  } finally {
    await control.close();
  }
}

function floodingResult(stream: string, isFlooded: boolean | undefined): ProbeResult {
  const probe = "lan flooding";
  if (isFlooded === undefined) {
    return {
      probe,
      status: "warn",
      detail: `Whether ${stream} is sent to machines that did not ask for it is not known.`,
      fix: "Run it as root, with the optional package koffi installed, on a machine that takes no part.",
    };
  }
  if (!isFlooded)
    return { probe, status: "ok", detail: `${stream} does not reach this machine, which did not ask for it.` };
  return {
    probe,
    status: "warn",
    detail: `${stream} reaches this machine, which did not ask for it: a switch sends it to every port.`,
    fix: "Switch IGMP snooping on at the switches, and a querier at one of them; or take a low rate.",
  };
}
