import { connect, type Socket } from "node:net";
import type { BlockSource } from "../../images/block.ts";
import {
  FIXED_NEWSTYLE,
  Info,
  NBD_MAGIC,
  NO_ZEROES,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  Option,
  OptionReply,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
} from "./nbd-packet.ts";

/** The disk that an NBD server on a UNIX socket has, read-only. */
export type NbdDisk = BlockSource & { close(): void };

/** Servers take at least 32 MiB. */
const READ_BYTES = 1 << 22;
const HANDSHAKE_MS = 30_000;

/**
 * Connects to an NBD server and takes its default export.
 *
 * @throws {Error} that says what it answered, or that it did not within 30 s
 */
export async function connectNbd(path: string): Promise<NbdDisk> {
  const socket = connect(path);
  const input = new SocketReader(socket);
  try {
    socket.setTimeout(HANDSHAKE_MS, () => socket.destroy(new Error("it did not answer within 30 s")));
    const sizeBytes = await handshake(socket, input);
    socket.setTimeout(0);
    return new Connection(socket, input, sizeBytes);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function handshake(socket: Socket, input: SocketReader): Promise<number> {
  const hello = await input.take(18);
  if (hello.readBigUInt64BE() !== NBD_MAGIC || hello.readBigUInt64BE(8) !== OPTION_MAGIC)
    throw new Error("what answers is no NBD server");
  const answer = Buffer.alloc(4 + 16 + 6);
  answer.writeUInt32BE(FIXED_NEWSTYLE | NO_ZEROES);
  answer.writeBigUInt64BE(OPTION_MAGIC, 4);
  answer.writeUInt32BE(Option.go, 12);
  // An empty export name and no requests for information: ten zero bits of length and content.
  answer.writeUInt32BE(6, 16);
  socket.write(answer);
  let sizeBytes: number | undefined;
  for (;;) {
    const head = await input.take(20);
    if (head.readBigUInt64BE() !== OPTION_REPLY_MAGIC) throw new Error("its answer is not that of an NBD server");
    const length = head.readUInt32BE(16);
    if (length > 65536) throw new Error("its answer is too long");
    const body = await input.take(length);
    const kind = head.readUInt32BE(12);
    if (kind === OptionReply.info && length >= 10 && body.readUInt16BE() === Info.export)
      sizeBytes = Number(body.readBigUInt64BE(2));
    else if (kind === OptionReply.acknowledged) break;
    else if (kind >= 2 ** 31) throw new Error(`it refused: ${body.toString("utf8") || kind}`);
  }
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes)) throw new Error("it did not say a size");
  return sizeBytes;
}

class Connection implements NbdDisk {
  readonly sizeBytes: number;
  readonly #socket: Socket;
  readonly #input: SocketReader;
  #last: Promise<unknown> = Promise.resolve();
  #handle = 0n;

  constructor(socket: Socket, input: SocketReader, sizeBytes: number) {
    this.#socket = socket;
    this.#input = input;
    this.sizeBytes = sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const result = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, READ_BYTES);
      result.set(await this.#request(offset + done, part), done);
      done += part;
    }
    return result;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** One at a time: the answer to the one before is read first. */
  async #request(offset: number, length: number): Promise<Uint8Array> {
    const answer = this.#last.then(
      () => this.#ask(offset, length),
      (error: unknown) => {
        throw error;
      },
    );
    this.#last = answer;
    return answer;
  }

  async #ask(offset: number, length: number): Promise<Uint8Array> {
    this.#handle += 1n;
    const request = Buffer.alloc(28);
    request.writeUInt32BE(REQUEST_MAGIC);
    request.writeBigUInt64BE(this.#handle, 8);
    request.writeBigUInt64BE(BigInt(offset), 16);
    request.writeUInt32BE(length, 24);
    this.#socket.write(request);
    const reply = await this.#input.take(16);
    if (reply.readUInt32BE() !== SIMPLE_REPLY_MAGIC || reply.readBigUInt64BE(8) !== this.#handle)
      throw new Error("the NBD server's answer does not fit the question");
    const error = reply.readUInt32BE(4);
    if (error !== 0) throw new Error(`the NBD server could not read at byte ${offset}: error ${error}`);
    return this.#input.take(length);
  }
}

/** Takes a known number of bytes from a socket. */
class SocketReader {
  readonly #socket: Socket;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = (error?: Error) => {
      this.#error ??= error;
      this.#wake();
    };
    socket.on("readable", () => wake());
    socket.on("error", wake);
    socket.on("close", () => wake(new Error("it closed the connection")));
    socket.on("end", () => wake(new Error("it closed the connection")));
  }

  async take(length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const chunk = this.#socket.read(Math.min(length - at, this.#socket.readableLength || 1)) as Buffer | null;
      if (chunk === null) {
        if (this.#error !== undefined) throw this.#error;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      chunk.copy(bytes, at);
      at += chunk.length;
    }
    return bytes;
  }
}
