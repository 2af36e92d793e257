import type { TransferEnd } from "./engine.ts";
import { decodeTftp, ErrorCode, encodeTftp, type TftpPacket } from "./packet.ts";
import type { ReadTransfer, TransferAction } from "./read-transfer.ts";

/** Names a client on one of our ports: its address and port, in whatever form the socket gives them cheaply. */
export type PeerKey = number | string;

/** One transfer in the table. `Peer` is how the socket addresses the client. */
export type TableEntry<Peer> = {
  readonly id: number;
  readonly key: PeerKey;
  readonly peer: Peer;
  readonly file: Uint8Array;
  readonly transfer: ReadTransfer;
  lastHeardMs: number;
};

/** What the table has done by its owner. */
export type TableOutput<Peer> = {
  sendBlocks(entry: TableEntry<Peer>, first: number, count: number): void;
  sendPacket(peer: Peer, packet: Uint8Array): void;
  suspectMtu(id: number): void;
  ended(id: number, end: TransferEnd): void;
};

/** A client this quiet that sends the same request again from the same port has started anew. */
const restartAfterSilenceMs = 2000;
/** So long an ended transfer's client is known: what it still sends is no stranger's. */
const rememberMs = 30_000;
const maxRemembered = 4096;
/** Two servers that answer each other's errors must come to an end: so many at once, and one more each second. */
const answersToStrangers = 8;

/**
 * All transfers on one of our ports: gives each packet to its transfer, and the time to those that wait for it. Pure:
 * the owner brings packets and the time, and carries out the output.
 */
export class TransferTable<Peer> {
  readonly #output: TableOutput<Peer>;
  readonly #entries = new Map<PeerKey, TableEntry<Peer>>();
  /** In the order of their end; without an entry: a client that was refused. */
  readonly #ended = new Map<PeerKey, { readonly entry?: TableEntry<Peer>; readonly untilMs: number }>();
  /** Never later than the first deadline; earlier when an answer moved that away. */
  #deadline = Number.POSITIVE_INFINITY;
  #answersLeft = answersToStrangers;
  #answersCountedMs = 0;

  constructor(output: TableOutput<Peer>) {
    this.#output = output;
  }

  /** When `onTimer` must next be called; infinite while nothing runs. */
  get deadline(): number {
    return this.#deadline;
  }

  /** When this client last ended a transfer here: infinite while one runs, minus infinite when it is not known. */
  lastUseMs(key: PeerKey): number {
    if (this.#entries.has(key)) return Number.POSITIVE_INFINITY;
    return this.#ended.get(key)?.untilMs ?? Number.NEGATIVE_INFINITY;
  }

  start(entry: TableEntry<Peer>, now: number): void {
    const before = this.#entries.get(entry.key);
    if (before !== undefined) this.#end(before, { result: "superseded", reason: "the client started anew" }, now);
    this.#ended.delete(entry.key);
    this.#entries.set(entry.key, entry);
    this.#do(entry, entry.transfer.start(now), now);
  }

  /** @returns false for a packet of a stranger, which `onStranger` answers */
  onPacket(key: PeerKey, bytes: Uint8Array, now: number): boolean {
    const ended = this.#ended.get(key);
    const entry = this.#entries.get(key) ?? ended?.entry;
    if (entry === undefined) return ended !== undefined;
    // The usual case first: an ACK. Some clients pad it to the minimum Ethernet frame.
    if (bytes.length >= 4 && bytes[0] === 0 && bytes[1] === 4) {
      entry.lastHeardMs = now;
      this.#do(entry, entry.transfer.onAck((bytes[2]! << 8) | bytes[3]!, now), now);
      return true;
    }
    const packet = decoded(bytes);
    if (packet === undefined) return true;
    entry.lastHeardMs = now;
    if (packet.type === "error") this.#do(entry, entry.transfer.onError(packet.code, packet.message), now);
    return true;
  }

  /** RFC 1350 section 4: a packet from elsewhere is refused without disturbing any transfer. */
  onStranger(peer: Peer, now: number): void {
    const whole = Math.floor((now - this.#answersCountedMs) / 1000);
    if (whole > 0) {
      this.#answersLeft = Math.min(answersToStrangers, this.#answersLeft + whole);
      this.#answersCountedMs += whole * 1000;
    }
    if (this.#answersLeft === 0) return;
    this.#answersLeft -= 1;
    this.#output.sendPacket(peer, strangerAnswer);
  }

  /** Sends an ERROR instead of a file. What the client may say to that is not answered: errors that answer errors never end. */
  refuse(key: PeerKey, peer: Peer, code: number, message: string, now: number): void {
    this.#output.sendPacket(peer, encodeTftp({ type: "error", code, message }));
    if (!this.#entries.has(key)) this.#remember(key, { untilMs: now + rememberMs });
  }

  onTimer(now: number): void {
    if (now < this.#deadline) return;
    for (const entry of [...this.#entries.values()]) this.#do(entry, entry.transfer.onTimer(now), now);
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const { transfer } of this.#entries.values()) this.#deadline = Math.min(this.#deadline, transfer.deadline);
  }

  /** The request of an open transfer came again: its first packet goes out again, or the client has started anew. */
  onRepeatedRequest(id: number, now: number): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    const { transfer } = entry;
    const isQuiet = now - entry.lastHeardMs >= restartAfterSilenceMs;
    if (isQuiet ? transfer.isProven || transfer.isExhausted : transfer.isProven && transfer.isAtItsEnd) {
      this.#end(entry, { result: "superseded", reason: "the client started anew from the same port" }, now);
    } else this.#do(entry, transfer.onRepeatedRequest(now), now);
  }

  /** Ends a transfer from our side; `notice` is sent to the client as an error. */
  stop(id: number, end: Pick<TransferEnd, "result" | "reason">, now: number, notice?: string): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    if (notice !== undefined) {
      this.#output.sendPacket(entry.peer, encodeTftp({ type: "error", code: ErrorCode.undefined, message: notice }));
    }
    this.#end(entry, end, now);
  }

  #find(id: number): TableEntry<Peer> | undefined {
    for (const entry of this.#entries.values()) if (entry.id === id) return entry;
    return undefined;
  }

  #do(entry: TableEntry<Peer>, actions: readonly TransferAction[], now: number): void {
    for (const action of actions) {
      if (action.type === "send-data") this.#output.sendBlocks(entry, action.first, action.count);
      else if (action.type === "end") this.#end(entry, action.result, now);
      else if (action.type === "suspect-mtu") this.#output.suspectMtu(entry.id);
      else this.#output.sendPacket(entry.peer, encodeTftp({ type: "oack", options: action.options }));
    }
    if (actions.length > 0 && !entry.transfer.hasEnded) {
      this.#deadline = Math.min(this.#deadline, entry.transfer.deadline);
    }
  }

  #end(entry: TableEntry<Peer>, end: Pick<TransferEnd, "result" | "reason">, now: number): void {
    this.#entries.delete(entry.key);
    this.#remember(entry.key, { entry, untilMs: now + rememberMs });
    const { acknowledgedBytes, resends } = entry.transfer;
    this.#output.ended(entry.id, { result: end.result, reason: end.reason, acknowledgedBytes, resends });
  }

  #remember(key: PeerKey, ended: { readonly entry?: TableEntry<Peer>; readonly untilMs: number }): void {
    this.#ended.delete(key);
    this.#ended.set(key, ended);
    for (const [oldest, { untilMs }] of this.#ended) {
      if (untilMs > ended.untilMs - rememberMs && this.#ended.size <= maxRemembered) break;
      this.#ended.delete(oldest);
    }
  }
}

const strangerAnswer = encodeTftp({
  type: "error",
  code: ErrorCode.unknownTransfer,
  message: "Unknown transfer ID",
});

function decoded(bytes: Uint8Array): TftpPacket | undefined {
  try {
    return decodeTftp(bytes);
  } catch {
    return undefined;
  }
}
