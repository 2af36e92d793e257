import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import { decodeTftp, encodeTftp, type TftpOption, type TftpPacket } from "../../../server/tftp/packet.ts";

/** A client that is driven packet by packet. */
export class Client {
  readonly socket: Socket;
  readonly #queue: { packet: TftpPacket; from: RemoteInfo }[] = [];
  readonly #arrivals = new EventEmitter();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("message", (bytes, from) => {
      this.#queue.push({ packet: decodeTftp(bytes), from });
      this.#arrivals.emit("packet");
    });
  }

  static async open(): Promise<Client> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new Client(socket);
  }

  send(packet: TftpPacket | Uint8Array, to: { readonly address: string; readonly port: number }): void {
    this.socket.send(packet instanceof Uint8Array ? packet : encodeTftp(packet), to.port, to.address);
  }

  ask(port: number, file: string, options: readonly TftpOption[] = [], address = "127.0.0.1"): void {
    this.send({ type: "read", file, mode: "octet", options }, { address, port });
  }

  async next(): Promise<{ packet: TftpPacket; from: RemoteInfo }> {
    while (this.#queue.length === 0) await once(this.#arrivals, "packet", { signal: AbortSignal.timeout(5000) });
    return this.#queue.shift()!;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** What was sent just now still leaves: Node hands it to the system a little later. */
  close(): void {
    setImmediate(() => this.socket.close());
  }
}
