import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { broadcastOf, magicPacket, WAKE_PORT } from "../../bsdp/wake.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { knownHosts } from "./host-record.ts";

/** A network that magic packets are sent into. */
export type WakeNetwork = {
  readonly address: string;
  readonly netmask: string;
  /** The interface that we have in it; absent: it lies behind a router, which has to forward directed broadcasts. */
  readonly interface?: string;
};

/** What was sent. */
export type Woken = {
  readonly hosts: readonly { readonly id: string; readonly name: string; readonly macs: readonly string[] }[];
  /** "eth0 (10.77.0.255)" */
  readonly through: readonly string[];
  /** Networks that could not be reached, with the reason. */
  readonly problems: readonly string[];
};

/** A packet may be lost, and a switch may need the first to find the port. */
const ROUNDS = 3;
const BETWEEN_ROUNDS_MS = 100;

/** Starts machines that are switched off: every card of a host, in every network. Nobody answers to it. */
export class Waker {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #networks: () => readonly WakeNetwork[];
  readonly #port: number;
  readonly #betweenMs: number;

  /** @param options.networks those of our interfaces, and those behind routers */
  constructor(options: {
    db: Database;
    events: EventLog;
    networks: () => readonly WakeNetwork[];
    port?: number;
    betweenMs?: number;
  }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#networks = options.networks;
    this.#port = options.port ?? WAKE_PORT;
    this.#betweenMs = options.betweenMs ?? BETWEEN_ROUNDS_MS;
  }

  /** @throws {Fault} WAKE_FAILED when nothing at all could be sent */
  async wake(hosts: readonly { readonly id: string; readonly name: string }[]): Promise<Woken> {
    const found = await knownHosts(
      this.#db,
      hosts.map(({ id }) => id),
    );
    const known = new Map(found.map((host) => [host.id, host]));
    const woken = hosts.map(({ id, name }) => {
      const { macs = [], nics = [] } = known.get(id) ?? {};
      return { id, name, macs: [...new Set([...macs, ...nics])] };
    });
    const packets = woken.flatMap(({ macs }) => macs.map(magicPacket));
    const through: string[] = [];
    const problems: string[] = [];
    for (const network of this.#networks()) {
      const broadcast = broadcastOf(network);
      if (broadcast === undefined) continue;
      const place = `${network.interface ?? "router"} (${broadcast})`;
      try {
        await this.#send(packets, broadcast, network.interface === undefined ? undefined : network.address);
        through.push(place);
      } catch (error) {
        problems.push(`${place}: ${(error as Error).message}`);
      }
    }
    if (through.length === 0) throw wakeFailed(problems);
    await this.#events.change(async ({ record }) => {
      for (const { id, macs } of woken) await record({ kind: "host.woken", hostId: id, data: { macs, through } });
    });
    return { hosts: woken, through, problems };
  }

  async #send(packets: readonly Uint8Array[], broadcast: string, from: string | undefined): Promise<void> {
    const socket = createSocket("udp4");
    try {
      socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) });
      await once(socket, "listening");
      socket.setBroadcast(true);
      for (let round = 0; round < ROUNDS; round += 1) {
        if (round > 0) await sleep(this.#betweenMs);
        for (const packet of packets) await sent(socket, packet, this.#port, broadcast);
      }
    } finally {
      socket.close();
    }
  }
}

function sent(socket: Socket, packet: Uint8Array, port: number, address: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.send(packet, port, address, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  return promise;
}

function wakeFailed(problems: readonly string[]): Fault {
  return new Fault("WAKE_FAILED", {
    what: "No machine could be woken: nothing was sent.",
    why: problems.join("; ") || "There is no network with a broadcast address.",
    fix: 'Look at the networks of this server ("ip address"), and at hosts.wake_networks.',
  });
}
