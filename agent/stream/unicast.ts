import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import type { StreamReceiver } from "../../multicast/receiver.ts";
import type { StreamControl } from "./control.ts";
import { unicastWrong } from "./faults.ts";
import type { PackSink } from "./pack-keeper.ts";

const AT_ONCE = 2;
const TRIES = 3;
const RETRY_MS = 1_000;

export type UnicastParts = {
  readonly control: StreamControl;
  readonly streamId: string;
  readonly manifest: Manifest;
  readonly layout: StreamLayout;
  readonly receiver: StreamReceiver;
  readonly writer: Pick<PackSink, "unpack" | "write">;
  readonly now: () => number;
  /** The server could not be asked: it may be busy or restarting. The silence deadline ends that. */
  readonly onUnreachable: (fault: Fault) => void;
  /** One fetch has ended; a `failure` ends the restore. */
  readonly onEnd: (failure?: unknown) => void;
  readonly log: Logger;
};

/** Fetches over HTTP the packs that the group did not bring, a few at a time, and writes them. */
export class UnicastFetcher {
  readonly #parts: UnicastParts;
  readonly #running = new Map<number, Promise<void>>();
  readonly #wrongTimes = new Map<number, number>();
  #isStopped = false;
  #againAt = 0;
  #packs = 0;
  #heardAt = 0;

  constructor(parts: UnicastParts) {
    this.#parts = parts;
  }

  /** Packs that came this way and were written. */
  get packs(): number {
    return this.#packs;
  }

  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  /** When the last right pack came, or the server said that others come first; 0 before. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Starts what is wanted now; call it often. */
  fetchWanted(): void {
    const { receiver, now, onEnd } = this.#parts;
    if (this.#isStopped || now() < this.#againAt) return;
    for (const pack of receiver.wantedByUnicast(now())) {
      if (this.#running.size >= AT_ONCE) return;
      if (this.#running.has(pack)) continue;
      const fetch = this.#fetch(pack).then(
        () => this.#ended(pack, onEnd),
        (failure: unknown) => this.#ended(pack, () => onEnd(failure)),
      );
      this.#running.set(pack, fetch);
    }
  }

  /** No more; resolves when nothing is under way. The caller closes the connection to hurry it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running.values());
  }

  #ended(pack: number, then: () => void): void {
    this.#running.delete(pack);
    if (!this.#isStopped) then();
  }

  async #fetch(pack: number): Promise<void> {
    const { layout, receiver, writer, now } = this.#parts;
    const number = layout.packNumbers[pack]!;
    const stored = await this.#ask(number);
    if (stored === undefined || this.#isStopped) return;
    let cells: readonly Uint8Array[];
    try {
      cells = writer.unpack(number, stored);
    } catch (error) {
      const times = (this.#wrongTimes.get(pack) ?? 0) + 1;
      this.#wrongTimes.set(pack, times);
      if (!(error instanceof Fault) || times >= TRIES) throw unicastWrong(number, times, error);
      return;
    }
    this.#heardAt = now();
    // It may have come from the group meanwhile.
    if (!receiver.takeUnicast(pack)) return;
    await writer.write(number, cells);
    this.#packs += 1;
    receiver.onPackDone(pack);
  }

  async #ask(number: number): Promise<Uint8Array | undefined> {
    const { control, streamId, manifest, now, onUnreachable, log } = this.#parts;
    try {
      return await control.pack(streamId, manifest.packs[number]!);
    } catch (error) {
      if (this.#isStopped) return undefined;
      if (!(error instanceof Fault)) throw error;
      log.warn({ pack: number, code: error.code, why: error.why }, "a pack could not be fetched");
      // The server answers, and says that our turn comes.
      if (error.code === "UNICAST_BUSY") this.#heardAt = now();
      onUnreachable(error);
      this.#againAt = now() + RETRY_MS;
      return undefined;
    }
  }
}
