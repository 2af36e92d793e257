import { createServer, type Server } from "node:net";
import type { Advertisement } from "../../server/network/dnssd.ts";
import type { InterfaceService } from "../../server/network/interface-watch.ts";
import type { ServedInterface } from "../../server/network/interfaces.ts";

/** The list of our addresses that everybody holds: it changes in place. */
export function addressList(addresses: string[]): InterfaceService {
  return {
    name: "addresses",
    async add({ address }) {
      addresses.push(address);
    },
    async remove({ address }) {
      const at = addresses.indexOf(address);
      if (at >= 0) addresses.splice(at, 1);
    },
  };
}

/**
 * A service that is started once more for each address that was not there at its start, and stopped for those. What
 * was bound at the start stays bound: it hears nothing while its address is away.
 */
export function startedPerAddress(
  name: string,
  atStart: readonly string[],
  start: (on: ServedInterface) => Promise<{ stop(): Promise<void> }>,
): InterfaceService & { stop(): Promise<void> } {
  // The list may be one that changes.
  const bound = [...atStart];
  const running = new Map<string, { stop(): Promise<void> }>();
  return {
    name,
    async add(on) {
      if (!bound.includes(on.address)) running.set(on.address, await start(on));
    },
    async remove({ address }) {
      const one = running.get(address);
      running.delete(address);
      await one?.stop();
    },
    async stop() {
      await Promise.all([...running.values()].map((one) => one.stop()));
      running.clear();
    },
  };
}

/** One more listener of a running HTTP server: its connections go the same way as the first one's. */
export function listenAlso(
  http: { readonly server: Server },
  address: string,
  port: number,
): Promise<{ stop(): Promise<void> }> {
  const server: Server = createServer((socket) => void http.server.emit("connection", socket));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port }, () => {
      server.off("error", reject);
      // Connections that run go on; their machine will miss them by itself.
      resolve({ stop: async () => void server.close() });
    });
  });
}

/** DNS-SD speaks on each interface for itself. */
export function advertisedPerInterface(
  interfaces: readonly ServedInterface[],
  advertise: (on: ServedInterface) => Promise<Advertisement>,
): Promise<InterfaceService & { stop(): Promise<void> }> {
  const running = new Map<string, Advertisement>();
  const service = {
    name: "dnssd",
    async add(on: ServedInterface) {
      running.set(on.name, await advertise(on));
    },
    async remove({ name }: ServedInterface) {
      const one = running.get(name);
      running.delete(name);
      await one?.stop();
    },
    async stop() {
      await Promise.all([...running.values()].map((one) => one.stop()));
      running.clear();
    },
  };
  return Promise.all(interfaces.map((on) => service.add(on))).then(() => service);
}
