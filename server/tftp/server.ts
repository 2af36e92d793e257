import type { Socket } from "node:dgram";
import { Fault } from "../../fault.ts";
import type { TransferEnd } from "./engine.ts";
import { linkBlockSize } from "./link-mtu.ts";
import { listen } from "./listen.ts";
import { servedNetworks } from "./networks.ts";
import { openEngine } from "./open-engine.ts";
import { TftpService } from "./service.ts";
import type { TftpCounters, TftpSettings } from "./settings.ts";

export type TftpServer = {
  readonly port: number;
  readonly counters: Readonly<TftpCounters>;
  /** Files that are on their way now. */
  readonly active: number;
  /** Tells running clients, closes everything. */
  stop(): Promise<void>;
};

/**
 * Serves boot files by TFTP, read-only (RFC 1350, 2347, 2348, 2349, 7440).
 * @throws {Fault} TFTP_NO_ADDRESS, TFTP_PORT_TAKEN, TFTP_NOT_PERMITTED, TFTP_ADDRESS_MISSING
 */
export async function startTftp(settings: TftpSettings): Promise<TftpServer> {
  if (settings.addresses.length === 0) {
    throw new Fault("TFTP_NO_ADDRESS", {
      what: "TFTP cannot start.",
      why: "No address is given to serve on.",
      fix: "Name an interface with an IPv4 address in network.interfaces.",
    });
  }
  const listeners: { readonly address: string; readonly socket: Socket }[] = [];
  let port = settings.port;
  try {
    for (const address of settings.addresses) {
      const socket = await listen(address, port);
      listeners.push({ address, socket });
      port = socket.address().port;
    }
  } catch (error) {
    for (const { socket } of listeners) socket.close();
    throw error;
  }
  let service: TftpService;
  try {
    const events = {
      ended: (id: number, end: TransferEnd) => service.onEnd(id, end),
      suspectMtu: (id: number) => service.onMtuSuspicion(id),
    };
    const engine = await openEngine(settings.addresses, events, settings);
    settings.log.debug({ engine: engine.kind }, "tftp: transfers");
    service = new TftpService(settings, {
      engine,
      linkLimits: await linkLimits(settings.addresses),
      isServed: servedNetworks(settings.addresses, settings.networks ?? []),
    });
  } catch (error) {
    for (const { socket } of listeners) socket.close();
    throw error;
  }
  for (const { address, socket } of listeners) {
    socket.on("error", (error) => settings.log.warn({ err: error, address }, "tftp: socket error"));
    socket.on("message", (bytes, from) => service.onMessage(bytes, from, address));
  }
  settings.log.info({ addresses: settings.addresses, port, root: settings.root }, "tftp: ready");
  return {
    port,
    counters: service.counters,
    get active() {
      return service.active;
    },
    async stop() {
      await Promise.all(listeners.map(({ socket }) => closed(socket)));
      await service.stop();
    },
  };
}

async function linkLimits(addresses: readonly string[]): Promise<Map<string, number>> {
  const limits = new Map<string, number>();
  for (const address of addresses) {
    const limit = await linkBlockSize(address);
    if (limit !== undefined) limits.set(address, limit);
  }
  return limits;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
