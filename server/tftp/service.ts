import type { RemoteInfo } from "node:dgram";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import { type BootRoot, findBootFileIn } from "../boot/files.ts";
import type { BootTrace, BootTraceEntry } from "../boot-trace.ts";
import { fileEntry, missingEntry } from "../boot-trace-files.ts";
import { BlockSizeMemory, defaultMaxBlockSize } from "./block-size.ts";
import { FileCache } from "./file-cache.ts";
import { pathOfName } from "./file-names.ts";
import { negotiate, type TransferTerms } from "./negotiation.ts";
import { decodeTftp, ErrorCode, isRequest, type TftpPacket, type TftpRequest } from "./packet.ts";
import { ReadTransfer } from "./read-transfer.ts";
import { notFound, refusalOf, refusalText } from "./refusal.ts";
import { type Peer, sendError, type TransferEnd, TransferSocket } from "./transfer-socket.ts";

export type TftpSettings = {
  /** One listening socket each. Replies leave from the address that was asked. */
  readonly addresses: readonly string[];
  /** 69; 0 takes a free port, the same for all addresses. */
  readonly port: number;
  /** Only files below this directory are served, and none is ever written. */
  readonly root: string;
  /** Is told of every request. */
  readonly trace?: BootTrace;
  readonly log: Logger;
  /** Milliseconds; only differences are used. */
  now(): number;
  /** Largest block in bytes; default 1468, less where the interface's MTU is smaller. */
  readonly maxBlockSize?: number;
  /** Most blocks per acknowledgement; default 16, 0 never negotiates a window. */
  readonly maxWindowSize?: number;
  /** The block number after 65535; default 0. */
  readonly wrapTo?: 0 | 1;
  /** Further folders, each for the names below its prefix. */
  readonly roots?: readonly BootRoot[];
  /** Content that is made for the client: asked for a normalised name ("grub/grub.cfg") before the disk is. */
  generate?(
    name: string,
    at: { readonly clientAddress: string; readonly serverAddress: string },
  ): Promise<Uint8Array | undefined>;
  /** What is set for this client alone; it can lower the limits, not raise them. Asked for every request. */
  settingsFor?(clientAddress: string): Promise<TftpClientSettings | undefined>;
};

/** Limits for one client that mishandles what others bear. */
export type TftpClientSettings = {
  /** Largest block in bytes. */
  readonly blockBytes?: number;
  /** Most blocks per acknowledgement; 0 never negotiates a window. */
  readonly windowBlocks?: number;
  /** The block number after 65535. */
  readonly wrapsTo?: 0 | 1;
};

/** Since the start. */
export type TftpCounters = {
  requests: number;
  served: number;
  probes: number;
  failed: number;
  refused: number;
  malformed: number;
  /** Beyond the limits; not answered, because the client asks again. */
  overLimit: number;
};

const maxTransfers = 200;
const maxTransfersPerClient = 8;
/** A client this quiet that sends the same request again from the same port has started anew. */
const restartAfterSilenceMs = 2000;

/** One request that is being served. */
type Open = {
  readonly request: string;
  readonly client: string;
  readonly startedMs: number;
  /** Absent while the file is looked for. */
  socket?: TransferSocket;
};

/** What is done with each packet that reaches a listening socket: a transfer, a refusal or nothing. */
export class TftpService {
  readonly counters: TftpCounters = {
    requests: 0,
    served: 0,
    probes: 0,
    failed: 0,
    refused: 0,
    malformed: 0,
    overLimit: 0,
  };
  readonly #settings: TftpSettings;
  readonly #cache = new FileCache();
  readonly #blockSizes = new BlockSizeMemory();
  readonly #linkLimits: ReadonlyMap<string, number>;
  /** By our address and the client's address and port, which together name a transfer. */
  readonly #open = new Map<string, Open>();
  readonly #starting = new Set<Promise<void>>();
  #isStopped = false;

  /** @param linkLimits our addresses with the largest block that their interface takes */
  constructor(settings: TftpSettings, linkLimits: ReadonlyMap<string, number>) {
    this.#settings = settings;
    this.#linkLimits = linkLimits;
  }

  onMessage(bytes: Uint8Array, from: RemoteInfo, address: string): void {
    // Every answer takes a socket for a moment: a flood must not take all of them.
    if (this.#starting.size >= maxTransfers) {
      this.counters.overLimit += 1;
      return;
    }
    let packet: TftpPacket;
    try {
      packet = decodeTftp(bytes);
    } catch {
      this.counters.malformed += 1;
      // Anything but a request may itself be an error, and errors that answer errors never end.
      if (isRequest(bytes)) this.#begin(this.#refuse(from, address, ErrorCode.illegalOperation, "Malformed request"));
      return;
    }
    if (packet.type === "read") this.#onRead(packet, from, address);
    else if (packet.type === "write") {
      this.#settings.log.warn({ client: from.address, file: packet.file }, "tftp: write refused");
      this.#begin(this.#refuse(from, address, ErrorCode.accessViolation, "This server is read-only"));
    } else this.counters.malformed += 1;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#starting);
    for (const { socket } of [...this.#open.values()]) {
      socket?.stop({ result: "stopped", reason: "the server stops" }, "The server stops");
    }
  }

  #onRead(request: TftpRequest, from: RemoteInfo, address: string): void {
    this.counters.requests += 1;
    const key = `${address} ${from.address} ${from.port}`;
    const asked = JSON.stringify(request);
    const known = this.#open.get(key);
    if (known !== undefined && !this.#isNewStart(known, asked)) {
      known.socket?.onRepeatedRequest();
      return;
    }
    known?.socket?.stop({ result: "superseded", reason: "the client started anew from the same port" });
    if (this.#isOverLimit(from.address)) {
      this.counters.overLimit += 1;
      this.#settings.log.debug({ client: from.address, open: this.#open.size }, "tftp: over the limit, not answered");
      return;
    }
    const open: Open = { request: asked, client: from.address, startedMs: this.#settings.now() };
    this.#open.set(key, open);
    this.#begin(
      this.#serve(request, from, address, open, key).catch(async (error: unknown) => {
        this.#forget(key, open);
        await this.#onRefusal(error, request, from, address);
      }),
    );
  }

  /** Whether a request from the port of an open transfer starts a new one, rather than repeating the first packet. */
  #isNewStart(known: Open, asked: string): boolean {
    // Still looking for the file: whatever comes now waits for that.
    if (known.socket === undefined) return false;
    if (known.request !== asked) return true;
    const { transfer, silenceMs } = known.socket;
    return transfer.isProven && (transfer.isAtItsEnd || silenceMs >= restartAfterSilenceMs);
  }

  #isOverLimit(client: string): boolean {
    if (this.#open.size >= maxTransfers) return true;
    let count = 0;
    for (const open of this.#open.values()) if (open.client === client) count += 1;
    return count >= maxTransfersPerClient;
  }

  async #serve(request: TftpRequest, from: RemoteInfo, address: string, open: Open, key: string): Promise<void> {
    if (request.mode !== "octet") {
      throw new Fault("TFTP_MODE_REFUSED", {
        what: `The transfer mode ${JSON.stringify(request.mode)} is not served.`,
        why: "Boot files are binary.",
        fix: "Ask in mode octet (binary).",
      });
    }
    const path = pathOfName(request.file);
    const [bytes, own = {}] = await Promise.all([
      this.#contentOf(path, { clientAddress: from.address, serverAddress: address }),
      this.#settings.settingsFor?.(from.address),
    ]);
    const terms = negotiate(request.options, {
      fileBytes: bytes.length,
      maxBlockSize: Math.min(own.blockBytes ?? Number.POSITIVE_INFINITY, this.#maxBlockSize(from.address, address)),
      maxWindowSize: Math.min(own.windowBlocks ?? Number.POSITIVE_INFINITY, this.#settings.maxWindowSize ?? 16),
    });
    if (this.#isStopped) return this.#forget(key, open);
    const transfer = new ReadTransfer(bytes, terms, { wrapTo: own.wrapsTo ?? this.#settings.wrapTo ?? 0 });
    open.socket = await TransferSocket.open(address, transfer, from, {
      now: this.#settings.now,
      onEnd: (end) => {
        this.#forget(key, open);
        this.#report(end, { path, sizeBytes: bytes.length, terms, transfer, peer: from, startedMs: open.startedMs });
      },
    });
  }

  /** @throws {Fault} TFTP_FILE_MISSING and those of `FileCache` */
  async #contentOf(path: string, at: { clientAddress: string; serverAddress: string }): Promise<Uint8Array> {
    const generated = await this.#settings.generate?.(path, at);
    if (generated !== undefined) return generated;
    const places = { directory: this.#settings.root, roots: this.#settings.roots };
    const file = await findBootFileIn(places, path.split("/"), { ignoreCase: true });
    if (file === undefined) throw notFound(path);
    return this.#cache.read(file);
  }

  #maxBlockSize(client: string, address: string): number {
    const configured = this.#settings.maxBlockSize ?? defaultMaxBlockSize;
    const limit = Math.min(configured, this.#linkLimits.get(address) ?? configured);
    return this.#blockSizes.limitFor(client, limit, this.#settings.now());
  }

  /** One line for every transfer. */
  #report(
    end: TransferEnd,
    facts: {
      path: string;
      sizeBytes: number;
      terms: TransferTerms;
      transfer: ReadTransfer;
      peer: Peer;
      startedMs: number;
    },
  ): void {
    const { path, sizeBytes, terms, transfer, peer } = facts;
    const now = this.#settings.now();
    const line = {
      client: peer.address,
      file: path,
      bytes: end.result === "done" ? sizeBytes : transfer.acknowledgedBytes,
      blockSize: terms.blockSize,
      windowSize: terms.windowSize,
      resends: transfer.resends,
      ms: Math.round(now - facts.startedMs),
      result: end.result,
      ...(end.reason === "" ? {} : { reason: end.reason }),
    };
    if (end.result === "done") this.counters.served += 1;
    else if (end.result === "probe") this.counters.probes += 1;
    else this.counters.failed += 1;
    if (end.result === "done" || end.result === "probe") this.#settings.log.info(line, "tftp: sent");
    else this.#settings.log.warn(line, "tftp: not sent");
    this.#settings.trace?.note(transferEntry(end, line));
    if (end.result !== "timeout" || !transfer.looksLikeMtuTrouble) return;
    const smaller = this.#blockSizes.shrink(peer.address, terms.blockSize, now);
    if (smaller !== undefined) {
      const note = { client: peer.address, blockSize: smaller };
      this.#settings.log.warn(note, "tftp: block size fallback: MTU problem on the path?");
    }
  }

  async #onRefusal(error: unknown, request: TftpRequest, peer: Peer, address: string): Promise<void> {
    const line = { client: peer.address, file: request.file.slice(0, 200), result: "refused" };
    const [code, message] = refusalOf(error);
    this.#settings.trace?.note(
      code === ErrorCode.fileNotFound
        ? missingEntry("tftp", line.client, line.file)
        : { service: "tftp", client: line.client, asked: line.file, reason: refusalText(error), isRefusal: true },
    );
    if (code === ErrorCode.fileNotFound) this.#settings.log.info({ ...line, reason: message }, "tftp: not there");
    else this.#settings.log.warn({ ...line, reason: message, err: error }, "tftp: refused");
    await this.#refuse(peer, address, code, message);
  }

  async #refuse(peer: Peer, address: string, code: number, message: string): Promise<void> {
    this.counters.refused += 1;
    try {
      await sendError(address, peer, code, message);
    } catch (error) {
      this.#settings.log.warn({ err: error, client: peer.address }, "tftp: the refusal could not be sent");
    }
  }

  #forget(key: string, open: Open): void {
    if (this.#open.get(key) === open) this.#open.delete(key);
  }

  #begin(work: Promise<void>): void {
    this.#starting.add(work);
    void work.finally(() => this.#starting.delete(work));
  }
}

function transferEntry(
  { result, reason }: TransferEnd,
  line: {
    client: string;
    file: string;
    bytes: number;
    ms: number;
    blockSize: number;
    windowSize: number;
    resends: number;
  },
): BootTraceEntry {
  const { blockSize, windowSize, resends, ...file } = line;
  const request = { ...file, service: "tftp", detail: { blockSize, windowSize, resends } } as const;
  if (result === "done") return fileEntry(request);
  return fileEntry(result === "probe" ? { ...request, isProbe: true } : { ...request, problem: reason });
}
