import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { decodeTftp, ErrorCode, encodeTftp, type TftpPacket } from "./packet.ts";
import type { ReadTransfer, TransferAction, TransferResult } from "./read-transfer.ts";

export type Peer = { readonly address: string; readonly port: number };

/** Two servers that answer each other's errors must come to an end. */
const answersToStrangers = 8;

/**
 * The socket of one transfer: carries packets and time to the `ReadTransfer` and its actions to the network.
 * It is bound to the address that was asked, because clients drop replies from another one.
 */
export class TransferSocket {
  readonly #transfer: ReadTransfer;
  readonly #peer: Peer;
  readonly #socket: Socket;
  readonly #now: () => number;
  readonly #onEnd: (result: TransferEnd) => void;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #answersToStrangersLeft = answersToStrangers;
  #lastHeardMs: number;

  private constructor(socket: Socket, transfer: ReadTransfer, peer: Peer, context: TransferContext) {
    this.#socket = socket;
    this.#transfer = transfer;
    this.#peer = peer;
    this.#now = context.now;
    this.#onEnd = context.onEnd;
    this.#lastHeardMs = context.now();
    socket.on("message", (bytes, from) => this.#onMessage(bytes, from));
    // A vanished client or a full send queue ends this transfer only.
    socket.on("error", (error) => this.#end({ result: "failed", reason: error.message }));
  }

  /** Opens the socket and sends the first packet. */
  static async open(
    address: string,
    transfer: ReadTransfer,
    peer: Peer,
    context: TransferContext,
  ): Promise<TransferSocket> {
    const running = new TransferSocket(await boundSocket(address), transfer, peer, context);
    running.#do(transfer.start(context.now()));
    return running;
  }

  get transfer(): ReadTransfer {
    return this.#transfer;
  }

  /** Milliseconds since the client's last packet. */
  get silenceMs(): number {
    return this.#now() - this.#lastHeardMs;
  }

  onRepeatedRequest(): void {
    this.#do(this.#transfer.onRepeatedRequest(this.#now()));
  }

  /** Ends the transfer from our side; `notice` is sent to the client as an error. */
  stop(end: TransferEnd, notice?: string): void {
    if (this.#hasEnded) return;
    if (notice !== undefined) this.#send({ type: "error", code: ErrorCode.undefined, message: notice });
    this.#end(end);
  }

  #onMessage(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#hasEnded) return;
    if (from.port !== this.#peer.port || from.address !== this.#peer.address) {
      this.#answerStranger(from);
      return;
    }
    let packet: TftpPacket;
    try {
      packet = decodeTftp(bytes);
    } catch {
      return;
    }
    this.#lastHeardMs = this.#now();
    if (packet.type === "ack") this.#do(this.#transfer.onAck(packet.block, this.#now()));
    else if (packet.type === "error") this.#do(this.#transfer.onError(packet.code, packet.message));
  }

  /** RFC 1350 section 4: a packet from elsewhere is refused without disturbing the transfer. */
  #answerStranger(from: RemoteInfo): void {
    if (this.#answersToStrangersLeft === 0) return;
    this.#answersToStrangersLeft -= 1;
    const packet: TftpPacket = { type: "error", code: ErrorCode.unknownTransfer, message: "Unknown transfer ID" };
    this.#socket.send(encodeTftp(packet), from.port, from.address, ignoreSendError);
  }

  #do(actions: readonly TransferAction[]): void {
    for (const action of actions) {
      if (action.type === "end") this.#end(action.result);
      else if (action.type === "send-options") this.#send({ type: "oack", options: action.options });
      else this.#send({ type: "data", block: action.block, data: action.data });
    }
    if (actions.length > 0) this.#setTimer();
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    if (this.#hasEnded) return;
    const waitMs = Math.max(0, this.#transfer.deadline - this.#now());
    this.#timer = setTimeout(() => {
      this.#do(this.#transfer.onTimer(this.#now()));
      // The timer may fire a little early; then nothing was due and it is set again.
      this.#setTimer();
    }, waitMs);
  }

  #send(packet: TftpPacket): void {
    // Lost here is like lost on the way: the timer sends it again.
    this.#socket.send(encodeTftp(packet), this.#peer.port, this.#peer.address, ignoreSendError);
  }

  #end(end: TransferEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    closeAfterSending(this.#socket);
    this.#onEnd(end);
  }
}

/** `failed`: the socket broke. `superseded`: the client started anew. `stopped`: the server ends. */
export type TransferEnd = {
  readonly result: TransferResult["result"] | "failed" | "superseded" | "stopped";
  readonly reason: string;
};

export type TransferContext = {
  now(): number;
  onEnd(end: TransferEnd): void;
};

/** Sends one error from a new port of `address`, as a refusal of a request. */
export async function sendError(address: string, peer: Peer, code: number, message: string): Promise<void> {
  const socket = await boundSocket(address);
  socket.on("error", ignoreSendError);
  socket.send(encodeTftp({ type: "error", code, message }), peer.port, peer.address, ignoreSendError);
  closeAfterSending(socket);
}

async function boundSocket(address: string): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    socket.bind(0, address);
    await once(socket, "listening");
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

// Sends are handed to the system at once when the address is a number, but Node may keep a queue: close behind it.
function closeAfterSending(socket: Socket): void {
  setImmediate(() => socket.close());
}

function ignoreSendError(): void {}
