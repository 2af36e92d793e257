import { Fault } from "../../fault.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import { coarseMap } from "../../multicast/missing-map.ts";
import { PACKET_HEADER_BYTES } from "../../multicast/packet.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import { linkMtu } from "../../udp/link-mtu.ts";
import { serverNow } from "../client/servers.ts";
import { type Join, MOST_NEEDS } from "../contract.ts";
import { untilServerAnswers } from "./ask-again.ts";
import type { StreamControl } from "./control.ts";
import type { DescribedStream } from "./describe.ts";
import { keyMissing } from "./faults.ts";
import type { GroupKeys } from "./group-keys.ts";
import type { GroupSocket } from "./group-socket.ts";
import { Hearing } from "./hearing.ts";
import { OVERHEAR_MS, overhear } from "./overhear.ts";
import { PackPipeline } from "./pack-pipeline.ts";
import type { Received, ReceiveOptions } from "./receive-options.ts";
import { ReceptionView } from "./reception-view.ts";
import { type ReportedState, Reporter } from "./reporter.ts";
import { Requester } from "./requester.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { joinGroup, localAddressTowards, openRequestSocket } from "./socket.ts";
import { SILENCE_MS } from "./stage-words.ts";
import { joinedTailKey } from "./tail-key.ts";
import { openThreadedUnpacker } from "./threaded-unpacker.ts";
import { UnicastFetcher } from "./unicast.ts";
import { openPlainUnpacker, type Unpacker } from "./unpacker.ts";

const TICK_MS = 200;
const MEMORY_MIN_BYTES = 32 * 1024 * 1024;
/** With all the rest below 200 MB. It is half a second of a gigabit: repairs take a part of that. */
const MEMORY_MAX_BYTES = 64 * 1024 * 1024;

/** One restore from its joining to its end. `receiveStream` makes it, runs it and closes it. */
export class Reception {
  readonly #options: ReceiveOptions;
  readonly #control: StreamControl;
  readonly #groupKeys: GroupKeys;
  readonly #described: DescribedStream;
  readonly #layout: StreamLayout;
  readonly #receiver: StreamReceiver;
  readonly #restore: RestoreTarget;
  readonly #reporter: Reporter;
  readonly #stopped = new AbortController();
  readonly #unicast: UnicastFetcher;
  readonly #hearing: Hearing;
  readonly #view: ReceptionView;
  #socket: GroupSocket | undefined;
  #requester: Requester | undefined;
  #unpacker: Unpacker | undefined;
  #pipeline: PackPipeline | undefined;
  #lastState: ReportedState = "failed";
  #failure: unknown;
  #zeros: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(
    options: ReceiveOptions,
    connections: { readonly control: StreamControl; readonly reports: StreamControl; readonly groupKeys: GroupKeys },
    described: DescribedStream,
    layout: StreamLayout,
    restore: RestoreTarget,
  ) {
    const { description } = described.info;
    this.#options = options;
    const { control, reports, groupKeys } = connections;
    this.#control = control;
    this.#groupKeys = groupKeys;
    this.#described = described;
    this.#layout = layout;
    const memoryBytes = options.memoryBytes ?? memoryToUse();
    this.#receiver = new StreamReceiver(description, layout, {
      memoryBytes,
      newMemory: (bytes) => new Uint8Array(new SharedArrayBuffer(bytes)),
      silenceMs: SILENCE_MS,
      tailKey: joinedTailKey(() => this.#reporter.joined),
      now: now(),
      random: Math.random,
    });
    this.#restore = restore;
    for (const [pack, number] of layout.packNumbers.entries())
      if (restore.holds(number)) this.#receiver.onPackHeld(pack);
    this.#reporter = new Reporter(reports, options.streamId, this.#receiver, layout.packCount, options.log);
    this.#unicast = new UnicastFetcher({
      control,
      streamId: options.streamId,
      manifest: described.manifest,
      layout,
      receiver: this.#receiver,
      writer: restore,
      now,
      onUnreachable: (fault) => this.#reporter.noteFault(fault),
      onEnd: (failure) => (failure === undefined ? this.#wake() : this.#fail(failure)),
      log: options.log,
    });
    const parts = { receiver: this.#receiver, unicast: this.#unicast, reporter: this.#reporter, restore, now };
    const { timeoutMs, arriveMs } = options;
    this.#hearing = new Hearing({ ...parts, symbolBytes: layout.symbolBytes, timeoutMs, arriveMs });
    this.#view = new ReceptionView({ ...parts, options, description, layout, hearing: this.#hearing });
  }

  async #start(join: Join): Promise<void> {
    try {
      await this.#reporter.start(join);
    } catch (error) {
      if (error instanceof Fault) this.#reporter.noteFault(error);
      throw error;
    }
  }

  async run(): Promise<Received> {
    const options = this.#options;
    const { description } = this.#described.info;
    const { hostname, port } = serverNow(options.server);
    const interfaceAddress = options.interfaceAddress ?? (await localAddressTowards(hostname, Number(port) || 80));
    this.#view.interfaceAddress = interfaceAddress;
    const { name, hostId } = options;
    const mtuBytes = await linkMtu(interfaceAddress);
    const join = {
      name,
      symbolBytes: description.symbolBytes,
      ...(mtuBytes === undefined ? {} : { mtuBytes }),
      ...(hostId === undefined ? {} : { hostId }),
      ...(this.#restore.mayHold ? { needs: coarseMap(this.#receiver.neededBlocks(), MOST_NEEDS) } : {}),
    };
    this.#view.enter(this.#restore.isErased ? "waiting" : "arriving");
    this.#reporter.lacksFrames = () => this.#hearing.lacksFrames;
    this.#reporter.onDescribedAnew = (fault) => this.#fail(fault);
    // From the join on canaries are sent. If they arrive before the group was asked for, a switch floods it.
    await untilServerAnswers(() => this.#start(join), {
      onWait: () => this.#view.enter(this.#view.stage),
      signal: options.signal,
    });
    if (description.isSealed === true && this.#groupKeys.of(description.streamId) === undefined) throw keyMissing();
    this.#reporter.isFlooded = await overhear({
      interfaceAddress,
      group: description.group,
      forMs: OVERHEAR_MS,
      signal: options.signal,
      withoutKoffi: options.withoutKoffi,
    });
    this.#socket = await joinGroup({
      group: description.group,
      port: description.port,
      interfaceAddress,
      datagramBytes: PACKET_HEADER_BYTES + description.symbolBytes,
      onDatagram: (bytes) => this.#onDatagram(bytes),
      ...(options.withoutKoffi === undefined ? {} : { withoutKoffi: options.withoutKoffi }),
    });
    this.#hearing.listensSince = now();
    this.#requester = new Requester({
      description,
      receiver: this.#receiver,
      socket: await openRequestSocket(interfaceAddress),
      joined: () => this.#reporter.joined,
      now,
    });
    try {
      await this.#arrive(interfaceAddress);
      const unpacker = await this.#openUnpacker();
      this.#unpacker = unpacker;
      if (!this.#restore.isErased) {
        this.#view.enter("erasing");
        await this.#restore.erase();
      }
      this.#view.enter("waiting");
      this.#reporter.say("ready");
      await this.#receive(unpacker);
      this.#view.enter("finishing");
      await this.#restore.finish();
      this.#lastState = "done";
    } catch (error) {
      if (options.signal?.aborted === true) this.#lastState = "left";
      throw error;
    }
    const { fullPasses, datagramsReceived, datagramsLost } = this.#receiver;
    return {
      manifest: this.#described.manifest,
      storedBytes: this.#restore.storedBytes,
      passes: fullPasses,
      symbolsReceived: datagramsReceived,
      symbolsLost: datagramsLost,
      unicastPacks: this.#unicast.packs,
      wrongPacks: this.#pipeline?.wrongPacks ?? 0,
    };
  }

  /** Stops everything that still runs, and tells the server how it ended. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#socket?.close();
    this.#requester?.stop();
    // Before the connection is closed, so that a fetch which that ends is not taken for a failure.
    const fetched = this.#unicast.stop();
    await this.#control.close();
    // Nothing may write to the target when the caller closes it.
    await Promise.all([fetched, this.#pipeline?.stop(), this.#zeros.catch(() => undefined)]);
    await this.#unpacker?.close();
    await this.#reporter.stop(this.#lastState);
  }

  // Before the group has arrived nothing is erased.
  async #arrive(interfaceAddress: string): Promise<void> {
    const { group, port } = this.#described.info.description;
    const where = { group, port, interfaceAddress };
    const from = now();
    while (!this.#hearing.hasArrived) {
      if (!this.#restore.isErased) this.#hearing.checkArrival(from, where);
      this.#view.show();
      await this.#pause();
    }
  }

  async #receive(unpacker: Unpacker): Promise<void> {
    this.#zeros = this.#restore.writeZeros(this.#stopped.signal);
    this.#zeros.catch((error: unknown) => this.#fail(error));
    const pipeline = this.#openPipeline(unpacker);
    this.#pipeline = pipeline;
    this.#reporter.takeDiskUse = () => pipeline.takeDiskUse();
    this.#take();
    while (!this.#receiver.isComplete) {
      this.#throwIfStopped();
      this.#receiver.onStreamState(this.#reporter.streamState, now());
      this.#requester?.look();
      this.#unicast.fetchWanted();
      this.#take();
      this.#hearing.checkSilence();
      this.#view.show();
      await this.#pause();
    }
    this.#view.showMarks();
    this.#view.enter("finishing");
    await this.#zeros;
  }

  async #openUnpacker(): Promise<Unpacker> {
    const { streamId, symbolsPerBlock, symbolBytes } = this.#described.info.description;
    const format = { symbolsPerBlock, symbolBytes, key: this.#groupKeys.of(streamId) };
    if (this.#options.keeper !== undefined) return this.#options.keeper.openUnpacker(format);
    const threaded =
      this.#options.withoutThreads === true
        ? undefined
        : await openThreadedUnpacker(format, this.#receiver.memory, this.#options.log);
    return threaded ?? openPlainUnpacker(format);
  }

  #openPipeline(unpacker: Unpacker): PackPipeline {
    return new PackPipeline({
      manifest: this.#described.manifest,
      layout: this.#layout,
      receiver: this.#receiver,
      unpacker,
      writer: this.#restore,
      onPack: () => {
        this.#view.show();
        if (this.#receiver.isComplete) this.#wake();
      },
      onFailure: (error) => this.#fail(error),
      log: this.#options.log,
    });
  }

  #onDatagram(bytes: Uint8Array): void {
    this.#receiver.onDatagram(bytes, now());
    this.#requester?.look();
    this.#take();
  }

  // What came before the target was erased waits in memory.
  #take(): void {
    if (this.#pipeline === undefined) return;
    if (this.#view.stage === "waiting" && (this.#receiver.hasSymbols || this.#unicast.packs > 0)) {
      this.#view.enter("receiving");
      this.#reporter.say("receiving");
    }
    if (this.#receiver.hasReady || this.#receiver.hasRepair) this.#pipeline.pump();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TICK_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#throwIfStopped();
  }

  #throwIfStopped(): void {
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
