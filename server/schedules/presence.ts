import { createSocket } from "node:dgram";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { readNeighbours } from "../network/neighbours.ts";

/** Nobody serves this port ("discard"); the machine is what is asked for. */
const PROBE_PORT = 9;
/**
 * Until then the system has noticed that a neighbour it knew is gone: it waits 5 s for a sign, and asks three times, a
 * second each (net.ipv4.neigh: delay_first_probe_time, ucast_solicit, retrans_time).
 */
const NOTICED_AFTER_MS = 9_500;
/** A waiting agent is heard every 25 s. */
const AGENT_SILENT_MS = 90_000;

type PresenceOptions = {
  readonly db: Pick<Database, "selectFrom">;
  readonly now: () => number;
  /** The neighbours by their address; those that the system knows unless given. */
  readonly neighbours?: () => Promise<ReadonlyMap<string, string>>;
  readonly port?: number;
  readonly withinMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
};

/**
 * Which of these hosts run a system of their own now, so that somebody may be at work there: they answer at the address
 * that they had last, and it is not our agent that runs. On our own wires every machine answers, because nothing works
 * without ARP; behind a router only those that refuse a datagram.
 *
 * @returns their ids
 */
export async function hostsInUse(hostIds: readonly string[], options: PresenceOptions): Promise<Set<string>> {
  const { db, now, neighbours = readNeighbours, port = PROBE_PORT, withinMs = NOTICED_AFTER_MS, signal } = options;
  if (hostIds.length === 0) return new Set();
  const rows = await db
    .selectFrom("hosts")
    .select(["id", "address", "last_seen_ms"])
    .where("id", "in", hostIds)
    .execute();
  const asked = rows.flatMap(({ id, address, last_seen_ms }) =>
    address === null || last_seen_ms > now() - AGENT_SILENT_MS ? [] : [{ id, address }],
  );
  if (asked.length === 0) return new Set();
  const macs = await db.selectFrom("host_macs").selectAll().where("host_id", "in", hostIds).execute();
  const refusals = await Promise.all(asked.map(({ address }) => refuses(address, { port, withinMs, signal })));
  const known = await neighbours();
  const inUse = asked.filter(({ id, address }, index) => {
    const mac = known.get(address);
    // Another machine may have the address now.
    if (mac !== undefined) return macs.some((own) => own.host_id === id && own.mac === mac);
    return refusals[index] === true;
  });
  return new Set(inUse.map(({ id }) => id));
}

/** Whether somebody at this address says that it has no such port. Takes all the time, because the table does. */
async function refuses(
  address: string,
  {
    port,
    withinMs,
    signal,
  }: { readonly port: number; readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  let isRefused = false;
  const socket = createSocket("udp4").unref();
  socket.on("error", ({ code }: NodeJS.ErrnoException) => {
    isRefused ||= code === "ECONNREFUSED";
  });
  socket.connect(port, address, (error?: Error) => {
    if (error === undefined || error === null) socket.send(new Uint8Array(1), () => undefined);
  });
  try {
    await sleep(withinMs, undefined, signal === undefined ? {} : { signal });
    // What came in the meantime is read first, however busy we were.
    await nextTurn();
    return isRefused;
  } finally {
    socket.close();
  }
}
