import { Fault } from "../../fault.ts";
import { CANARY_WAVE } from "./rollout-rules.ts";

/** Who goes first, and how many follow at a time. */
export type WavesRequest = {
  /** These hosts (name, id or MAC) go first, or so many; none unless given. */
  readonly canary?: readonly string[] | number | undefined;
  /** So many at a time; all the others at once unless given. */
  readonly batch?: number | undefined;
  /** So many may fail before nobody else begins; a tenth of the hosts, and at least one, unless given. */
  readonly mostFailed?: number | undefined;
};

/** The hosts of an order in the order in which their turns come. */
export type Waves = {
  /** Names. */
  readonly canary: readonly string[];
  /** How many waves follow. */
  readonly batches: number;
  /** Hosts in each of them; the last may be smaller. */
  readonly batch: number;
  readonly mostFailed: number;
};

type WaveHost = { readonly id: string; readonly name: string; readonly lastSeenMs: number };

/**
 * Puts hosts into waves.
 *
 * Of a number of canaries those go first that were heard of last: they are most likely to be awake.
 *
 * @param isNamed whether a word of `canary` means this host
 * @returns the wave of each host by its id, and what a person is told of it
 * @throws {Fault} DEPLOY_INVALID
 */
export function wavesOf(
  hosts: readonly WaveHost[],
  request: WavesRequest,
  isNamed: (word: string, host: WaveHost) => boolean,
): { readonly waves: Waves; readonly waveOf: ReadonlyMap<string, number> } {
  const { canary = [], batch } = request;
  const first = typeof canary === "number" ? heardLast(hosts, canary) : namedCanaries(hosts, canary, isNamed);
  if (first.length === 0 && batch === undefined) {
    throw invalid("There is no host that goes first, and no batch.", "Say how many go first, or how many at a time.");
  }
  const rest = hosts.filter((host) => !first.includes(host));
  if (first.length > 0 && rest.length === 0) {
    throw invalid("All hosts would go first, and none after them.", "Name fewer of them.");
  }
  const each = Math.min(batch ?? rest.length, rest.length);
  const waveOf = new Map([
    ...first.map(({ id }) => [id, CANARY_WAVE] as const),
    ...rest.map(({ id }, index) => [id, CANARY_WAVE + 1 + Math.floor(index / each)] as const),
  ]);
  const mostFailed = request.mostFailed ?? Math.max(1, Math.floor(hosts.length / 10));
  const batches = Math.ceil(rest.length / each);
  return { waves: { canary: first.map(({ name }) => name), batches, batch: each, mostFailed }, waveOf };
}

function heardLast<T extends WaveHost>(hosts: readonly T[], count: number): readonly T[] {
  const last = hosts.toSorted((one, other) => other.lastSeenMs - one.lastSeenMs).slice(0, count);
  return hosts.filter((host) => last.includes(host));
}

function namedCanaries<T extends WaveHost>(
  hosts: readonly T[],
  words: readonly string[],
  isNamed: (word: string, host: T) => boolean,
): readonly T[] {
  for (const word of words) {
    if (hosts.some((host) => isNamed(word, host))) continue;
    throw invalid(`"${word}" is to go first, and is not one of the hosts.`, "Name one of those that the order is for.");
  }
  return hosts.filter((host) => words.some((word) => isNamed(word, host)));
}

function invalid(why: string, fix: string): Fault {
  return new Fault("DEPLOY_INVALID", { what: "This order cannot be given.", why, fix });
}
