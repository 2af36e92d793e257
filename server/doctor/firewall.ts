import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { type Finding, notPermitted } from "./finding.ts";
import { type Arrival, isDropped, type Ruleset } from "./firewall-rules.ts";
import type { WantedPort } from "./ports.ts";

const PROGRAM_WITHIN_MS = 3_000;
const LARGEST_RULESET_BYTES = 16 * 1024 * 1024;

/** Whether this machine's own firewall lets machines reach us. Only root is told its rules. */
export async function lookAtFirewall(
  wanted: readonly WantedPort[],
  interfaceNames: readonly string[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const probe = "firewall";
  if (process.getuid?.() !== 0) return [notPermitted(probe, "Only root is told its rules: sudo bootcast doctor.")];
  let ruleset: Ruleset;
  try {
    const options = { signal, timeout: PROGRAM_WITHIN_MS, maxBuffer: LARGEST_RULESET_BYTES };
    const { stdout } = await promisify(execFile)("nft", ["--json", "list", "ruleset"], options);
    ruleset = JSON.parse(stdout) as Ruleset;
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
    const detail = isAbsent ? "There is no nft here, so most likely no firewall." : "nft does not tell its rules.";
    return [{ probe, status: "skip", detail }];
  }
  return firewallFindings(ruleset, wanted, interfaceNames, await requestPort());
}

/** @param requestPort one of those that the system gives out: hosts ask a stream for what they lack there */
export function firewallFindings(
  ruleset: Ruleset,
  wanted: readonly WantedPort[],
  interfaceNames: readonly string[],
  requestPort: readonly [number, number],
): Finding[] {
  const probe = "firewall";
  const dropped = (arrival: Omit<Arrival, "interfaceName">) =>
    interfaceNames.filter((interfaceName) => isDropped(ruleset, { ...arrival, interfaceName }));
  const closed = wanted.filter((one) => dropped(one).length > 0);
  const [from, to] = requestPort;
  const requests = dropped({ protocol: "udp", port: Math.floor((from + to) / 2) });
  if (closed.length === 0 && requests.length === 0) {
    return [{ probe, status: "ok", detail: "It lets machines reach every port that we need." }];
  }
  const allow = (["udp", "tcp"] as const).flatMap((protocol) => {
    const ports: (number | string)[] = closed.filter((one) => one.protocol === protocol).map(({ port }) => port);
    if (protocol === "udp" && requests.length > 0) ports.push(`${from}-${to}`);
    return ports.length === 0 ? [] : [`${protocol} dport { ${ports.join(", ")} } accept`];
  });
  const table = inputChainOf(ruleset);
  const told = [
    ...closed.map(({ use, port, protocol }) => `${use} (${port}/${protocol})`),
    ...(requests.length > 0 ? [`what hosts ask a stream for (${from}-${to}/udp)`] : []),
  ];
  return [
    {
      probe,
      status: "fail",
      detail: `This machine's firewall drops ${told.join(", ")}.`,
      fix: allow.map((rule) => `sudo nft insert rule ${table} ${rule}`).join(" && "),
    },
  ];
}

function inputChainOf({ nftables }: Ruleset): string {
  const base = nftables.find(({ chain }) => chain?.hook === "input" && chain.type === "filter")?.chain;
  return base === undefined ? "inet filter input" : `${base.family} ${base.table} ${base.name}`;
}

async function requestPort(): Promise<readonly [number, number]> {
  const text = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => "");
  const [from = 32_768, to = 60_999] = text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(Number);
  return [from, to];
}
