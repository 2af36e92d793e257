import { Fault } from "../../fault.ts";
import { SERVICE_TYPE, SERVICE_VERSION } from "../contract.ts";
import { formatDuration } from "../disk/sizes.ts";
import { backoffMs, type Clock } from "./backoff.ts";

/** One server as mDNS shows it. Nothing of it is trusted yet. */
export type SeenServer = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly txt: Readonly<Record<string, string>>;
};

/** Looks for `_bootcast._tcp` on one interface: calls `onServer` for each answer until `stop`. */
export type Browse = (onServer: (server: SeenServer) => void) => { query(): void; stop(): void };

/** After a server was found, others get so long to show a higher priority. */
const SETTLE_MS = 1000;
const MOST_BETWEEN_QUERIES_MS = 16_000;

/**
 * Finds the server by mDNS: asks at once and again after 1, 2, 4 … s, because the
 * first question is often lost while the switch still learns the port.
 *
 * @param trusted fingerprints of the site's keys; a server with another key is not used
 * @param say one line for the screen
 * @throws {Fault} SERVER_NOT_FOUND when the deadline passed
 */
export async function findServer(options: {
  browse: Browse;
  trusted: readonly string[];
  deadlineMs: number;
  clock: Clock;
  say(line: string): void;
}): Promise<URL> {
  const { clock, trusted, say } = options;
  const seen = new Map<string, SeenServer>();
  const refused = new Map<string, string>();
  const found = new AbortController();
  const browser = options.browse((server) => {
    const why = refusalOfServer(server, trusted);
    const key = `${server.name} ${server.address}:${server.port}`;
    if (why === undefined) {
      seen.set(key, server);
      found.abort();
    } else if (refused.get(key) !== why) {
      refused.set(key, why);
      say(`not used: ${server.name} (${server.address}): ${why}`);
    }
  });
  const startedAt = clock.now();
  const left = () => startedAt + options.deadlineMs - clock.now();
  try {
    for (let tries = 0; seen.size === 0 && left() > 0; tries += 1) {
      browser.query();
      say(`asking for ${SERVICE_TYPE} servers by mDNS; ${formatDuration(left())} left`);
      await clock.sleep(Math.min(left(), backoffMs(tries, MOST_BETWEEN_QUERIES_MS)), found.signal);
    }
    if (seen.size > 0) await clock.sleep(SETTLE_MS);
  } finally {
    browser.stop();
  }
  const server = chooseServer([...seen.values()]);
  if (server === undefined) throw notFound(options.deadlineMs, [...refused.values()]);
  return new URL(`http://${server.address}:${server.port}`);
}

/** Of the trusted servers the one with the highest priority; among equals the first by name, so that all hosts agree. */
export function chooseServer(servers: readonly SeenServer[]): SeenServer | undefined {
  const byName = servers.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return byName.toSorted((a, b) => priorityOf(b) - priorityOf(a))[0];
}

/** Why a server that answered is not used; undefined when it may be. */
export function refusalOfServer(server: SeenServer, trusted: readonly string[]): string | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(server.address)) return "it gives no IPv4 address";
  if (!(server.port > 0 && server.port < 65536)) return "it gives no port";
  const version = server.txt["v"] ?? "none";
  if (version !== SERVICE_VERSION) return `it speaks version ${version}, this boot image ${SERVICE_VERSION}`;
  if (!trusted.includes(server.txt["key"] ?? "")) return "its key is not the one in this boot image";
  return undefined;
}

function priorityOf(server: SeenServer): number {
  const priority = Number(server.txt["priority"] ?? 0);
  return Number.isFinite(priority) ? priority : 0;
}

function notFound(deadlineMs: number, refusals: readonly string[]): Fault {
  return new Fault("SERVER_NOT_FOUND", {
    what: `No bootcast server was found in ${formatDuration(deadlineMs)}.`,
    why:
      refusals.length > 0
        ? `${refusals.length} answered but cannot be used: ${[...new Set(refusals)].join("; ")}.`
        : "Nobody answered by mDNS on the card that this machine booted from, and no server was given.",
    fix: "Start bootcast serve on this network, or set boot.pass_server = true so that the server names itself.",
  });
}
