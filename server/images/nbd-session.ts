import {
  Command,
  decodeInfoRequest,
  decodeOptionHeader,
  decodeRequest,
  encodeBlockSizeInfo,
  encodeExport,
  encodeExportInfo,
  encodeHello,
  encodeListed,
  encodeNameInfo,
  encodeOptionReply,
  encodeReply,
  FIXED_NEWSTYLE,
  Info,
  NbdError,
  NO_ZEROES,
  OPTION_HEADER_BYTES,
  Option,
  type OptionHeader,
  OptionReply,
  REQUEST_BYTES,
} from "./nbd-packet.ts";

/** The one disk of a server. Clients get it by its name, or by none. */
export type NbdExport = { readonly name: string; readonly sizeBytes: number };

export type NbdAction =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** The content goes out behind `encodeReply(cookie, 0)`; the range lies inside the disk. */
  | { readonly type: "read"; readonly cookie: bigint; readonly offset: number; readonly length: number }
  /** `reason` is there when the client broke the protocol. */
  | { readonly type: "close"; readonly reason?: string };

/** A name has at most 4096 bytes in this protocol. */
const MOST_OPTION_BYTES = 8192;
/** Clients need three. */
const MOST_OPTIONS = 64;
/** What servers must take at least; clients that do not ask send no more. */
export const MOST_READ_BYTES: number = 1 << 25;
const PREFERRED_BYTES = 1 << 16;
const NEGOTIATION_MS = 30_000;
const REQUEST_MS = 60_000;

/**
 * One client of an NBD server: decides what to answer. It owns no socket and no
 * timer; what a client sends makes it hold less than 9 KiB beside the bytes of
 * the call.
 */
export class NbdSession {
  readonly #export: NbdExport;
  readonly #negotiatedBeforeMs: number;
  #state: "flags" | "options" | "requests" | "closed" = "flags";
  #input: Buffer = Buffer.alloc(0);
  /** Of a refused write, content that is still to come. */
  #skipBytes = 0;
  #options = 0;
  #zeroBytes = 124;
  #requestBeforeMs: number | undefined;

  constructor(disk: NbdExport, nowMs: number) {
    this.#export = disk;
    this.#negotiatedBeforeMs = nowMs + NEGOTIATION_MS;
  }

  /** What the server says first. */
  hello(): Uint8Array {
    return encodeHello();
  }

  /** Bytes of the client that wait for their rest. */
  get heldBytes(): number {
    return this.#input.length;
  }

  /**
   * Until when the client must have sent more, in the caller's milliseconds; to be asked when the
   * waiting begins. Undefined between two requests: a mounted disk may be idle for days.
   */
  deadline(nowMs: number): number | undefined {
    if (this.#state !== "requests") return this.#negotiatedBeforeMs;
    if (this.#input.length === 0 && this.#skipBytes === 0) return undefined;
    // Bytes that come one by one do not make it longer.
    this.#requestBeforeMs ??= nowMs + REQUEST_MS;
    return this.#requestBeforeMs;
  }

  /** Each action must be carried out before the next is taken: that is what bounds the memory. */
  *onBytes(bytes: Uint8Array): Generator<NbdAction> {
    this.#input = this.#input.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#input, bytes]);
    while (this.#state !== "closed") {
      const actions = this.#next();
      if (actions === undefined) break;
      yield* actions;
    }
    // Not a view of something large.
    this.#input = this.#state === "closed" ? Buffer.alloc(0) : Buffer.from(this.#input);
  }

  /** Undefined: it needs more bytes. */
  #next(): NbdAction[] | undefined {
    if (this.#state === "flags") return this.#flags();
    if (this.#state === "options") return this.#option();
    return this.#request();
  }

  #flags(): NbdAction[] | undefined {
    if (this.#input.length < 4) return undefined;
    const flags = this.#take(4).readUInt32BE();
    if ((flags & ~(FIXED_NEWSTYLE | NO_ZEROES)) !== 0) return this.#close("it sent unknown handshake flags");
    if ((flags & NO_ZEROES) !== 0) this.#zeroBytes = 0;
    this.#state = "options";
    return [];
  }

  #option(): NbdAction[] | undefined {
    if (this.#input.length < OPTION_HEADER_BYTES) return undefined;
    const header = decodeOptionHeader(this.#input);
    if (header === undefined) return this.#close("it sent no option where one should be");
    if (header.length > MOST_OPTION_BYTES) return this.#close("it sent an option that is too long");
    if (this.#input.length < OPTION_HEADER_BYTES + header.length) return undefined;
    this.#options += 1;
    if (this.#options > MOST_OPTIONS) return this.#close("it sent too many options");
    this.#take(OPTION_HEADER_BYTES);
    return this.#answer(header, this.#take(header.length));
  }

  #answer({ option }: OptionHeader, content: Buffer): NbdAction[] {
    const { name, sizeBytes } = this.#export;
    const reply = (kind: number, body?: Uint8Array) => send(encodeOptionReply(option, kind, body));
    switch (option) {
      case Option.exportName:
        // The old way has no words for a refusal.
        if (!this.#isKnown(content.toString("utf8"))) return this.#close("it asked for another disk");
        this.#state = "requests";
        return [send(encodeExport(sizeBytes, this.#zeroBytes))];
      case Option.abort:
        return [reply(OptionReply.acknowledged), ...this.#close()];
      case Option.list:
        if (content.length > 0) return [reply(OptionReply.invalid)];
        return [reply(OptionReply.server, encodeListed(name)), reply(OptionReply.acknowledged)];
      case Option.info:
      case Option.go: {
        const asked = decodeInfoRequest(content);
        if (asked === undefined) return [reply(OptionReply.invalid)];
        if (!this.#isKnown(asked.name))
          return [reply(OptionReply.unknownExport, Buffer.from(`only "${name}" is here`))];
        if (option === Option.go) this.#state = "requests";
        return [
          reply(OptionReply.info, encodeExportInfo(sizeBytes)),
          ...(asked.kinds.includes(Info.name) ? [reply(OptionReply.info, encodeNameInfo(name))] : []),
          ...(asked.kinds.includes(Info.blockSize)
            ? [reply(OptionReply.info, encodeBlockSizeInfo(PREFERRED_BYTES, MOST_READ_BYTES))]
            : []),
          reply(OptionReply.acknowledged),
        ];
      }
      default:
        return [reply(OptionReply.unsupported)];
    }
  }

  #request(): NbdAction[] | undefined {
    if (this.#skipBytes > 0) {
      if (this.#input.length === 0) return undefined;
      this.#skipBytes -= this.#take(Math.min(this.#skipBytes, this.#input.length)).length;
      return [];
    }
    if (this.#input.length < REQUEST_BYTES) return undefined;
    this.#requestBeforeMs = undefined;
    const request = decodeRequest(this.#take(REQUEST_BYTES));
    if (request === undefined) return this.#close("it sent no request where one should be");
    const { command, cookie, offset, length } = request;
    switch (command) {
      case Command.read:
        if (length === 0 || length > MOST_READ_BYTES || offset + BigInt(length) > BigInt(this.#export.sizeBytes))
          return [send(encodeReply(cookie, NbdError.invalid))];
        return [{ type: "read", cookie, offset: Number(offset), length }];
      case Command.write:
        if (length > MOST_READ_BYTES) return this.#close("it sent a write that is too long");
        this.#skipBytes = length;
        return [send(encodeReply(cookie, NbdError.notPermitted))];
      case Command.disconnect:
        return this.#close();
      default:
        return [send(encodeReply(cookie, NbdError.invalid))];
    }
  }

  #isKnown(name: string): boolean {
    return name === "" || name === this.#export.name;
  }

  #take(length: number): Buffer {
    const taken = this.#input.subarray(0, length);
    this.#input = this.#input.subarray(length);
    return taken;
  }

  #close(reason?: string): NbdAction[] {
    this.#state = "closed";
    return [{ type: "close", ...(reason !== undefined && { reason }) }];
  }
}

function send(bytes: Uint8Array): NbdAction {
  return { type: "send", bytes };
}
