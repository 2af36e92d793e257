import type { RemoteInfo } from "node:dgram";
import { BlockSizeMemory, defaultMaxBlockSize } from "./block-size.ts";
import { contentOf } from "./content.ts";
import type { Peer, TransferEnd, TransferEngine } from "./engine.ts";
import { FileCache } from "./file-cache.ts";
import { pathOfName } from "./file-names.ts";
import { negotiate } from "./negotiation.ts";
import { decodeTftp, ErrorCode, isRequest, type TftpPacket, type TftpRequest } from "./packet.ts";
import { type TransferFacts, tellEnd, tellRefusal, tellSilence } from "./report.ts";
import type { TftpClientSettings, TftpCounters, TftpSettings } from "./settings.ts";

const defaults = { maxTransfers: 200, maxTransfersPerClient: 8, maxWindowSize: 16 } as const;

/** One request that is being served. */
type Open = {
  readonly key: string;
  readonly request: string;
  readonly client: string;
  readonly startedMs: number;
  /** Absent while the file is looked for. */
  transfer?: { readonly id: number; readonly facts: TransferFacts };
  /** The request came again: what is done when the engine finds that the client has started anew. */
  startAnew?: () => void;
};

/** What the service is told of its surroundings when it starts. */
export type ServiceContext = {
  readonly engine: TransferEngine;
  /** Our addresses with the largest block that their interface takes. */
  readonly linkLimits: ReadonlyMap<string, number>;
  isServed(client: string): boolean;
};

/** For the boot trace. */
const reasons = {
  offLink: "it is in no network of this server's, and no DHCP packet of it was seen: does its relay name this server?",
  overLimit: "as many files are being sent as tftp.max_transfers and tftp.max_per_client allow; it will ask again",
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
    offLink: 0,
  };
  readonly #settings: TftpSettings;
  readonly #cache = new FileCache();
  readonly #blockSizes = new BlockSizeMemory();
  readonly #context: ServiceContext;
  readonly #maxTransfers: number;
  /** By our address and the client's address and port, which together name a transfer. */
  readonly #open = new Map<string, Open>();
  readonly #running = new Map<number, Open>();
  readonly #starting = new Set<Promise<void>>();
  #lastId = 0;
  #isStopped = false;

  constructor(settings: TftpSettings, context: ServiceContext) {
    this.#settings = settings;
    this.#context = context;
    this.#maxTransfers = settings.maxTransfers ?? defaults.maxTransfers;
  }

  onMessage(bytes: Uint8Array, from: RemoteInfo, address: string): void {
    if (this.#isStopped) return;
    if (!this.#context.isServed(from.address) && this.#settings.isKnownClient?.(from.address) !== true) {
      this.counters.offLink += 1;
      this.#settings.log.debug({ client: from.address }, "tftp: from a network that is not served, not answered");
      tellSilence(this.#settings, from.address, "a file", reasons.offLink);
      return;
    }
    let packet: TftpPacket;
    try {
      packet = decodeTftp(bytes);
    } catch {
      this.counters.malformed += 1;
      // Anything but a request may itself be an error, and errors that answer errors never end.
      if (isRequest(bytes)) this.#refuse(from, address, ErrorCode.illegalOperation, "Malformed request");
      return;
    }
    if (packet.type === "read") {
      this.counters.requests += 1;
      this.#onRead(packet, from, address);
    } else if (packet.type === "write") {
      this.#settings.log.warn({ client: from.address, file: packet.file }, "tftp: write refused");
      this.#refuse(from, address, ErrorCode.accessViolation, "This server is read-only");
    } else this.counters.malformed += 1;
  }

  /** How a transfer of ours ended; the engine says so. */
  onEnd(id: number, end: TransferEnd): void {
    const open = this.#running.get(id);
    if (open?.transfer === undefined) return;
    this.#running.delete(id);
    this.#forget(open);
    if (end.result === "done") this.counters.served += 1;
    else if (end.result === "probe") this.counters.probes += 1;
    else this.counters.failed += 1;
    tellEnd(this.#settings, end, open.transfer.facts, this.#settings.now());
    if (end.result === "superseded") open.startAnew?.();
  }

  /** Full-size packets do not seem to reach this client: its next request gets smaller ones. */
  onMtuSuspicion(id: number): void {
    const facts = this.#running.get(id)?.transfer?.facts;
    if (facts === undefined) return;
    const smaller = this.#blockSizes.shrink(facts.client, facts.terms.blockSize, this.#settings.now());
    if (smaller === undefined) return;
    const note = { client: facts.client, blockSize: smaller };
    this.#settings.log.warn(note, "tftp: block size fallback: MTU problem on the path?");
  }

  /** Files that are on their way now. */
  get active(): number {
    return this.#open.size;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#starting);
    await this.#context.engine.close();
  }

  #onRead(request: TftpRequest, from: Peer, address: string): void {
    const key = `${address} ${from.address} ${from.port}`;
    const asked = JSON.stringify(request);
    const known = this.#open.get(key);
    if (known !== undefined) {
      // Still looking for the file: whatever comes now waits for that.
      if (known.transfer === undefined) return;
      if (known.request === asked) {
        known.startAnew = () => this.#onRead(request, from, address);
        this.#context.engine.repeat(known.transfer.id);
        return;
      }
      delete known.startAnew;
      this.#forget(known);
      this.#context.engine.supersede(known.transfer.id);
    }
    if (this.#isOverLimit(from.address)) {
      this.counters.overLimit += 1;
      this.#settings.log.debug({ client: from.address, open: this.#open.size }, "tftp: over the limit, not answered");
      tellSilence(this.#settings, from.address, request.file, reasons.overLimit);
      return;
    }
    const open: Open = { key, request: asked, client: from.address, startedMs: this.#settings.now() };
    this.#open.set(key, open);
    const work = this.#serve(request, from, address, open).catch((error: unknown) => {
      this.#forget(open);
      const [code, message] = tellRefusal(this.#settings, error, from.address, request.file);
      this.#refuse(from, address, code, message);
    });
    this.#starting.add(work);
    void work.finally(() => this.#starting.delete(work));
  }

  #isOverLimit(client: string): boolean {
    if (this.#open.size >= this.#maxTransfers) return true;
    let count = 0;
    for (const open of this.#open.values()) if (open.client === client) count += 1;
    return count >= (this.#settings.maxTransfersPerClient ?? defaults.maxTransfersPerClient);
  }

  async #serve(request: TftpRequest, from: Peer, address: string, open: Open): Promise<void> {
    const path = pathOfName(request.file);
    const [file, own = {}] = await Promise.all([
      contentOf(
        this.#settings,
        this.#cache,
        { path, mode: request.mode },
        { clientAddress: from.address, serverAddress: address },
      ),
      this.#settings.settingsFor?.(from.address),
    ]);
    if (this.#isStopped) return this.#forget(open);
    const terms = negotiate(request.options, {
      fileBytes: file.length,
      maxBlockSize: this.#maxBlockSize(from.address, address, own),
      maxWindowSize: Math.min(
        own.windowBlocks ?? Number.POSITIVE_INFINITY,
        this.#settings.maxWindowSize ?? defaults.maxWindowSize,
      ),
    });
    this.#lastId += 1;
    const id = this.#lastId;
    const facts = { client: from.address, path, sizeBytes: file.length, terms, startedMs: open.startedMs };
    open.transfer = { id, facts };
    this.#running.set(id, open);
    const wrapTo = own.wrapsTo ?? this.#settings.wrapTo ?? 0;
    const peer = { address: from.address, port: from.port };
    this.#context.engine.start({ id, serverAddress: address, peer, file, terms, wrapTo });
  }

  #maxBlockSize(client: string, address: string, own: TftpClientSettings): number {
    const configured = this.#settings.maxBlockSize ?? defaultMaxBlockSize;
    const limit = Math.min(
      configured,
      own.blockBytes ?? configured,
      this.#context.linkLimits.get(address) ?? configured,
    );
    return this.#blockSizes.limitFor(client, limit, this.#settings.now());
  }

  #refuse(peer: Peer, address: string, code: number, message: string): void {
    this.counters.refused += 1;
    this.#context.engine.refuse(address, { address: peer.address, port: peer.port }, code, message);
  }

  #forget(open: Open): void {
    if (this.#open.get(open.key) === open) this.#open.delete(open.key);
  }
}
