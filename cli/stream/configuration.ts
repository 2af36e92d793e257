import { readFile } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { checkGroup } from "../../multicast/group.ts";
import { formatRate, parseRate } from "../../multicast/rate.ts";
import type { RateMode } from "../../multicast/rate-control.ts";
import { type AsrConfig, decodeAsrConfig } from "../asr/config.ts";

export const DEFAULT_GROUP = "239.192.66.1";
export const DEFAULT_PORT = 7800;
export const DEFAULT_RATE = "12MB/s";
const DEFAULT_TTL = 3;

/** Where and how fast a stream goes: what was said on the command line, then what asr's configuration says. */
export type StreamConfiguration = {
  readonly group: string;
  /** Somebody named it: no other is taken when it is in use. */
  readonly isGroupFixed: boolean;
  readonly port: number;
  readonly rateBytesPerSecond: number;
  /** asr's rates are fixed ones. */
  readonly mode: RateMode;
  readonly ttl: number;
  /** Whether DNS-SD tells the network of it: asr's default with a configuration file, otherwise when asked. */
  readonly isAdvertised: boolean;
  /** The configuration file; undefined when none was given. */
  readonly asr: AsrConfig | undefined;
};

/** @throws {Fault} ASR_CONFIG_INVALID, GROUP_REFUSED */
export async function streamConfiguration(flags: {
  readonly config?: string;
  readonly rate?: number;
  readonly mode?: RateMode;
  readonly group?: string;
  readonly port?: number;
  readonly ttl?: number;
  readonly advertise?: boolean;
}): Promise<StreamConfiguration> {
  const asr = flags.config === undefined ? undefined : decodeAsrConfig(await readConfig(flags.config), flags.config);
  const group = flags.group ?? asr?.group ?? DEFAULT_GROUP;
  checkGroup(group);
  return {
    group,
    isGroupFixed: flags.group !== undefined || asr !== undefined,
    port: flags.port ?? asr?.port ?? DEFAULT_PORT,
    rateBytesPerSecond: flags.rate ?? rateOfAsr(asr) ?? parseRate(DEFAULT_RATE),
    mode: flags.mode ?? (asr === undefined ? "normal" : "fixed"),
    ttl: flags.ttl ?? asr?.ttl ?? DEFAULT_TTL,
    isAdvertised: flags.advertise ?? asr?.isAdvertised ?? asr !== undefined,
    asr,
  };
}

/** asr's list, line by line: each key with its value, as the file has it, then what is not in the file. */
export function configurationLines(
  { asr, rateBytesPerSecond, mode, group, port, ttl, isAdvertised }: StreamConfiguration,
  address: string,
): string[] {
  const dataRate = asr?.rateBytesPerSecond ?? rateBytesPerSecond;
  const lines = [
    "Multicast server configuration:",
    `\tData Rate: ${withUnit(dataRate)}`,
    `\tMulticast Address: ${group}`,
    `\tPort: ${port}`,
    `\tMulticast TTL: ${ttl}`,
    `\tDNS Service Discovery: ${isAdvertised}`,
  ];
  const shown = new Set(["Data Rate", "Multicast Address", "Port", "Multicast TTL", "DNS Service Discovery"]);
  for (const [key, value] of asr?.entries ?? []) if (!shown.has(key)) lines.push(`\t${key}: ${value}`);
  lines.push(`\tInterface: ${address}`);
  // "Client Data Rate" or the command line made it another one.
  if (rateBytesPerSecond !== dataRate) lines.push(`\tRate: ${withUnit(rateBytesPerSecond)}`);
  if (asr === undefined) lines.push(`\tMode: ${mode}`);
  return lines;
}

function withUnit(bytesPerSecond: number): string {
  return `${bytesPerSecond} (${formatRate(bytesPerSecond)})`;
}

function rateOfAsr(asr: AsrConfig | undefined): number | undefined {
  if (asr === undefined) return undefined;
  return Math.min(asr.rateBytesPerSecond, asr.clientRateBytesPerSecond ?? Number.POSITIVE_INFINITY);
}

async function readConfig(path: string): Promise<Uint8Array> {
  // The article's own command line has this slash.
  const tolerant = path.replace(/(?<=\.plist)\/$/, "");
  try {
    return await readFile(tolerant);
  } catch (error) {
    throw new Fault(
      "ASR_CONFIG_INVALID",
      {
        what: `The server configuration ${path} cannot be read.`,
        why: (error as Error).message,
        fix: "Check the path.",
      },
      error,
    );
  }
}
