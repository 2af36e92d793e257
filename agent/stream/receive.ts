import type { KeyObject } from "node:crypto";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { BlockTarget } from "../../images/block.ts";
import type { Manifest } from "../../images/manifest.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { type Mark, StreamReceiver } from "../../multicast/receiver.ts";
import { StreamControl } from "./control.ts";
import { type DescribedStream, describeStream } from "./describe.ts";
import { notArriving, silent, targetTooSmall, unicastWrong } from "./faults.ts";
import { PackWriter } from "./pack-writer.ts";
import { type ReportedState, Reporter } from "./reporter.ts";
import { type GroupSocket, joinGroup, localAddressTowards } from "./socket.ts";

/** Without the first canary for so long, the group does not arrive. */
const ARRIVE_MS = 20_000;
/** A running stream that is silent for so long has lost us: the rest is fetched by unicast. */
const SILENCE_MS = 5_000;
/** Without any data for so long, group or unicast, the restore is given up. */
const TIMEOUT_MS = 60_000;
const UNICAST_AT_ONCE = 2;
const UNICAST_TRIES = 3;
const UNICAST_RETRY_MS = 1_000;
const TICK_MS = 200;
const MEMORY_MIN_BYTES = 32 * 1024 * 1024;
const MEMORY_MAX_BYTES = 1024 * 1024 * 1024;

/** How far a restore is, a few times a second. */
export type ReceiveProgress = {
  readonly stage: "arriving" | "erasing" | "waiting" | "receiving" | "finishing";
  /** What is done or waited for now, one sentence. */
  readonly detail: string;
  /** Of the stream's bytes, what is written: 0 to 100. */
  readonly percent: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly packsDone: number;
  readonly packsTotal: number;
  /** Whole passes of the stream that have gone by. */
  readonly passes: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  readonly unicastPacks: number;
};

export type ReceiveOptions = {
  readonly server: URL;
  readonly streamId: string;
  /** The public keys whose images are accepted. */
  readonly trusted: readonly KeyObject[];
  readonly target: BlockTarget;
  /** This machine, as the server shows it. */
  readonly name: string;
  readonly hostId?: string | undefined;
  readonly token?: string | undefined;
  /** An own address on the interface that the stream arrives at; by default the one that leads to the server. */
  readonly interfaceAddress?: string | undefined;
  /** Spares asking the server again, when the caller has described the stream already. */
  readonly described?: DescribedStream | undefined;
  /**
   * Called once, when the stream's packets arrive: the erase. Nothing is written to the target before it
   * resolves. `isZeroed` says that every byte of the target reads as zero now; otherwise zeros are written.
   */
  readonly beforeWrite: (manifest: Manifest) => Promise<{ readonly isZeroed: boolean }>;
  readonly onProgress?: (progress: ReceiveProgress) => void;
  /** One mark for every 2 % of a pass that has gone by; see agent/screen.ts. */
  readonly onMark?: (mark: Mark) => void;
  /** Give up when no data came for so long; 0 never. Default 60 s. */
  readonly timeoutMs?: number;
  /** Give up when the group's packets do not arrive at all. Default 20 s. */
  readonly arriveMs?: number;
  /** Most memory for symbols; by default a third of what is free, 32 MiB to 1 GiB. */
  readonly memoryBytes?: number;
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
};

export type Received = {
  readonly manifest: Manifest;
  /** Whole passes of the stream that went by. */
  readonly passes: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** Packs that came by unicast HTTP. */
  readonly unicastPacks: number;
  /** Packs from the group whose content was not what the manifest says. */
  readonly wrongPacks: number;
};

/**
 * Restores one image from a running stream: joins it, waits until it arrives,
 * has the target erased, writes every pack as soon as it is complete and
 * checked, fetches what is missing by unicast, and writes the partition table
 * when everything else is safe on the disk.
 *
 * Memory is bounded: while the disk is busy, symbols that do not fit are let
 * go, and come again.
 *
 * @throws {Fault} TARGET_TOO_SMALL, STREAM_NOT_ARRIVING, STREAM_SILENT, PACK_WRONG, and those of
 *   `describeStream`, the target and `beforeWrite`; the signal's reason when it is aborted
 */
export async function receiveStream(options: ReceiveOptions): Promise<Received> {
  const control = new StreamControl(options);
  // Without the signal: the last word, that the restore was stopped, must still be said.
  const reports = new StreamControl({ server: options.server, token: options.token });
  let reception: Reception | undefined;
  try {
    const described = options.described ?? (await describeStream(control, options.streamId, options.trusted));
    const { manifest, info } = described;
    if (options.target.sizeBytes < manifest.diskBytes)
      throw targetTooSmall(options.target.sizeBytes, manifest.diskBytes);
    reception = new Reception(
      options,
      { control, reports },
      described,
      new StreamLayout(info.description, manifest.packs),
    );
    return await reception.run();
  } finally {
    await reception?.close();
    await control.close();
    await reports.close();
  }
}

class Reception {
  readonly #options: ReceiveOptions;
  readonly #control: StreamControl;
  readonly #described: DescribedStream;
  readonly #layout: StreamLayout;
  readonly #receiver: StreamReceiver;
  readonly #writer: PackWriter;
  readonly #reporter: Reporter;
  readonly #stopped = new AbortController();
  readonly #fetching = new Map<number, Promise<void>>();
  readonly #fetchTries = new Map<number, number>();
  #socket: GroupSocket | undefined;
  #interfaceAddress = "";
  #stage: ReceiveProgress["stage"] = "arriving";
  #lastState: ReportedState = "failed";
  #failure: unknown;
  #unicastPacks = 0;
  #wrongPacks = 0;
  #unicastAt = 0;
  #fetchAgainAt = 0;
  #shownAt = 0;
  #areZerosWritten = false;
  #wake: () => void = () => undefined;

  constructor(
    options: ReceiveOptions,
    { control, reports }: { readonly control: StreamControl; readonly reports: StreamControl },
    described: DescribedStream,
    layout: StreamLayout,
  ) {
    const { description } = described.info;
    this.#options = options;
    this.#control = control;
    this.#described = described;
    this.#layout = layout;
    const memoryBytes = options.memoryBytes ?? memoryToUse();
    this.#receiver = new StreamReceiver(description, layout, { memoryBytes, silenceMs: SILENCE_MS, now: now() });
    this.#writer = new PackWriter(described.manifest, options.target);
    this.#reporter = new Reporter(reports, options.streamId, this.#receiver, layout.packCount, options.log);
  }

  async run(): Promise<Received> {
    const options = this.#options;
    this.#enter("arriving");
    const { description } = this.#described.info;
    const { hostname, port } = options.server;
    this.#interfaceAddress = options.interfaceAddress ?? (await localAddressTowards(hostname, Number(port) || 80));
    this.#socket = await joinGroup({
      group: description.group,
      port: description.port,
      interfaceAddress: this.#interfaceAddress,
      onDatagram: (bytes) => this.#onDatagram(bytes),
    });
    try {
      const join =
        options.hostId === undefined ? { name: options.name } : { name: options.name, hostId: options.hostId };
      await this.#reporter.start(join);
      await this.#arrive();
      this.#enter("erasing");
      const { isZeroed } = await options.beforeWrite(this.#described.manifest);
      this.#enter("waiting");
      this.#reporter.say("ready");
      await this.#receive(isZeroed);
      this.#enter("finishing");
      await this.#writer.finish();
      this.#lastState = "done";
    } catch (error) {
      if (options.signal?.aborted === true) this.#lastState = "left";
      throw error;
    }
    const { fullPasses, datagramsReceived, datagramsLost } = this.#receiver;
    return {
      manifest: this.#described.manifest,
      passes: fullPasses,
      symbolsReceived: datagramsReceived,
      symbolsLost: datagramsLost,
      unicastPacks: this.#unicastPacks,
      wrongPacks: this.#wrongPacks,
    };
  }

  /** Stops everything that still runs, and tells the server how it ended. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#socket?.close();
    await Promise.allSettled(this.#fetching.values());
    await this.#reporter.stop(this.#lastState);
  }

  // The first canary or symbol shows that the group comes through; before it nothing is erased.
  async #arrive(): Promise<void> {
    const from = now();
    const arriveMs = this.#options.arriveMs ?? ARRIVE_MS;
    // Nothing is sent any more after the pass of a `once` stream: then everything is fetched.
    while (this.#receiver.datagramsReceived === 0 && this.#reporter.streamState !== "ended") {
      if (now() - from >= arriveMs) {
        const { group, port } = this.#described.info.description;
        throw notArriving({
          group,
          port,
          interfaceAddress: this.#interfaceAddress,
          arriveMs,
          fates: this.#receiver.fates,
        });
      }
      this.#show();
      await this.#pause();
    }
  }

  async #receive(isZeroed: boolean): Promise<void> {
    const zeros = isZeroed ? Promise.resolve() : this.#writer.writeZeros(this.#stopped.signal);
    zeros.catch((error: unknown) => this.#fail(error));
    while (!this.#receiver.isComplete) {
      const ready = this.#receiver.takeReady();
      if (ready !== undefined) {
        await this.#writeFromGroup(ready.pack, ready.bytes);
        this.#show();
        continue;
      }
      if (this.#stage === "waiting" && this.#receiver.hasSymbols) {
        this.#enter("receiving");
        this.#reporter.say("receiving");
      }
      this.#receiver.onStreamState(this.#reporter.streamState, now());
      this.#fetchMissing();
      this.#checkSilence();
      this.#show();
      await this.#pause();
    }
    this.#showMarks();
    this.#enter("finishing");
    await zeros;
    this.#areZerosWritten = true;
  }

  async #writeFromGroup(pack: number, stored: Uint8Array): Promise<void> {
    const number = this.#layout.packNumbers[pack]!;
    let cells: readonly Uint8Array[];
    try {
      cells = this.#writer.unpack(number, stored);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Every symbol had a right checksum, so this was forged, or the server's memory is bad.
      this.#wrongPacks += 1;
      this.#options.log.warn(
        { pack: number, code: error.code },
        "a pack from the group was wrong and is fetched again",
      );
      this.#receiver.onPackWrong(pack);
      return;
    }
    await this.#writer.write(number, cells);
    this.#receiver.onPackDone(pack);
  }

  #fetchMissing(): void {
    if (now() < this.#fetchAgainAt) return;
    for (const pack of this.#receiver.wantedByUnicast(now())) {
      if (this.#fetching.size >= UNICAST_AT_ONCE) return;
      if (this.#fetching.has(pack)) continue;
      const fetch = this.#fetch(pack)
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#fetching.delete(pack);
          this.#wake();
        });
      this.#fetching.set(pack, fetch);
    }
  }

  async #fetch(pack: number): Promise<void> {
    const number = this.#layout.packNumbers[pack]!;
    let stored: Uint8Array;
    try {
      stored = await this.#control.pack(this.#options.streamId, this.#described.manifest.packs[number]!);
    } catch (error) {
      if (!(error instanceof Fault) || this.#stopped.signal.aborted) throw error;
      // The server may be busy or restarting; the silence deadline ends this.
      this.#options.log.warn({ pack: number, code: error.code, why: error.why }, "a pack could not be fetched");
      this.#reporter.noteFault(error);
      this.#fetchAgainAt = now() + UNICAST_RETRY_MS;
      return;
    }
    this.#stopped.signal.throwIfAborted();
    let cells: readonly Uint8Array[];
    try {
      cells = this.#writer.unpack(number, stored);
    } catch (error) {
      const tries = (this.#fetchTries.get(pack) ?? 0) + 1;
      this.#fetchTries.set(pack, tries);
      if (!(error instanceof Fault) || tries >= UNICAST_TRIES) throw unicastWrong(number, tries, error);
      return;
    }
    this.#unicastAt = now();
    // It may have come from the group meanwhile.
    if (!this.#receiver.takeUnicast(pack)) return;
    await this.#writer.write(number, cells);
    this.#unicastPacks += 1;
    this.#receiver.onPackDone(pack);
  }

  #checkSilence(): void {
    const timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS;
    const silentMs = now() - Math.max(this.#receiver.heardAt, this.#unicastAt);
    if (timeoutMs > 0 && silentMs >= timeoutMs) throw silent(silentMs, this.#reporter.lastFault);
  }

  #onDatagram(bytes: Uint8Array): void {
    this.#receiver.onDatagram(bytes, now());
    if (this.#receiver.hasReady) this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  #enter(stage: ReceiveProgress["stage"]): void {
    this.#stage = stage;
    this.#shownAt = 0;
    this.#show();
  }

  #show(): void {
    this.#showMarks();
    if (now() < this.#shownAt + TICK_MS) return;
    this.#shownAt = now();
    const { packsDone, bytesDone, fullPasses, datagramsReceived, datagramsLost } = this.#receiver;
    const bytesTotal = this.#layout.streamBytes;
    this.#options.onProgress?.({
      stage: this.#stage,
      detail: this.#detail(),
      percent: bytesTotal === 0 ? 100 : (bytesDone / bytesTotal) * 100,
      bytesDone,
      bytesTotal,
      packsDone,
      packsTotal: this.#layout.packCount,
      passes: fullPasses,
      symbolsReceived: datagramsReceived,
      symbolsLost: datagramsLost,
      unicastPacks: this.#unicastPacks,
    });
  }

  #detail(): string {
    const { group, port } = this.#described.info.description;
    switch (this.#stage) {
      case "arriving":
        return `Waiting for packets of ${group}:${port} on ${this.#interfaceAddress}.`;
      case "erasing":
        return "The stream arrives; erasing the target.";
      case "waiting": {
        const reason = this.#reporter.waitingFor;
        return reason === "" ? "The stream is about to start." : `The stream waits: ${reason}.`;
      }
      case "receiving":
        if (this.#fetching.size === 0) return "Receiving the stream.";
        return `Fetching what is missing from the server; ${this.#unicastPacks} packs so far.`;
      case "finishing":
        return this.#areZerosWritten ? "Writing the partition table." : "Writing the zeros of the image.";
    }
  }

  #showMarks(): void {
    for (const mark of this.#receiver.takeMarks()) this.#options.onMark?.(mark);
  }

  async #pause(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TICK_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function now(): number {
  return performance.now();
}

function memoryToUse(): number {
  return Math.min(MEMORY_MAX_BYTES, Math.max(MEMORY_MIN_BYTES, Math.floor(process.availableMemory() / 3)));
}
