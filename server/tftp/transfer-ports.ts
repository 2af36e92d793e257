import type { EngineEvents, TransferOrder } from "./engine.ts";
import { ReadTransfer } from "./read-transfer.ts";
import { type PeerKey, type TableEntry, TransferTable } from "./transfer-table.ts";

/**
 * Transfer ports of each address. All clients share the first one, which lets many packets go to the system at once. A
 * client that asks twice from the same port is answered from another one: each transfer has its own pair of ports, so
 * that late packets of the first cannot be taken for the second's (RFC 1350 section 4).
 */
export const portsPerAddress = 2;

/** What sends on one port. */
export type PortSender<Peer> = {
  sendBlocks(entry: TableEntry<Peer>, first: number, count: number): void;
  sendPacket(peer: Peer, packet: Uint8Array): void;
};

/** The transfers of all our ports. Pure like `TransferTable`. */
export class TransferPorts<Peer> {
  readonly #tables = new Map<string, TransferTable<Peer>[]>();
  readonly #running = new Map<number, TransferTable<Peer>>();
  readonly #events: EngineEvents;

  constructor(events: EngineEvents) {
    this.#events = events;
  }

  /** Adds a port of one of our addresses; its packets go to the table that is returned. */
  add(serverAddress: string, sender: PortSender<Peer>): TransferTable<Peer> {
    const table = new TransferTable<Peer>({
      sendBlocks: (entry, first, count) => sender.sendBlocks(entry, first, count),
      sendPacket: (peer, packet) => sender.sendPacket(peer, packet),
      suspectMtu: (id) => this.#events.suspectMtu(id),
      ended: (id, end) => {
        this.#running.delete(id);
        this.#events.ended(id, end);
      },
    });
    this.#tables.set(serverAddress, [...(this.#tables.get(serverAddress) ?? []), table]);
    return table;
  }

  /** Never later than the first deadline of all transfers; infinite while none runs. */
  get deadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const tables of this.#tables.values()) for (const table of tables) first = Math.min(first, table.deadline);
    return first;
  }

  /** Transfers that run. */
  get count(): number {
    return this.#running.size;
  }

  start(order: TransferOrder, key: PeerKey, peer: Peer, now: number): void {
    const table = this.#portFor(order.serverAddress, key);
    const transfer = new ReadTransfer(order.file, order.terms, { wrapTo: order.wrapTo });
    this.#running.set(order.id, table);
    table.start({ id: order.id, key, peer, file: order.file, transfer, lastHeardMs: now }, now);
  }

  repeat(id: number, now: number): void {
    this.#running.get(id)?.onRepeatedRequest(id, now);
  }

  supersede(id: number, now: number): void {
    this.#running
      .get(id)
      ?.stop(id, { result: "superseded", reason: "the client started anew from the same port" }, now);
  }

  refuse(
    serverAddress: string,
    { key, peer }: { readonly key: PeerKey; readonly peer: Peer },
    error: { readonly code: number; readonly message: string },
    now: number,
  ): void {
    this.#portFor(serverAddress, key).refuse(key, peer, error.code, error.message, now);
  }

  onTimer(now: number): void {
    for (const tables of this.#tables.values()) for (const table of tables) table.onTimer(now);
  }

  stopAll(now: number): void {
    for (const [id, table] of [...this.#running]) {
      table.stop(id, { result: "stopped", reason: "the server stops" }, now, "The server stops");
    }
  }

  /** The port that this client has not used, or not for the longest time. */
  #portFor(serverAddress: string, key: PeerKey): TransferTable<Peer> {
    const ports = this.#tables.get(serverAddress);
    if (ports === undefined) throw new Error(`No TFTP port was opened on ${serverAddress}.`);
    return ports.reduce((best, one) => (one.lastUseMs(key) < best.lastUseMs(key) ? one : best));
  }
}
