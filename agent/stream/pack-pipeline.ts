import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import type { StreamReceiver } from "../../multicast/receiver.ts";
import type { ReadyPack } from "../../multicast/symbol-store.ts";
import type { Progress } from "../contract.ts";
import type { PackSink } from "./pack-keeper.ts";
import type { UnpackedPack, Unpacker } from "./unpacker.ts";

/** What the sender is told of the disk. */
export type DiskUse = Pick<Progress, "waitsForDisk" | "writeBytesPerSecond">;

export type PipelineParts = {
  readonly manifest: Manifest;
  readonly layout: StreamLayout;
  readonly receiver: StreamReceiver;
  readonly unpacker: Unpacker;
  readonly writer: Pick<PackSink, "write">;
  /** A pack was written, or was wrong. */
  readonly onPack: () => void;
  /** The target, or the thread, cannot go on. */
  readonly onFailure: (error: unknown) => void;
  readonly log: Logger;
};

/**
 * What the group brought on its way to the disk: repaired, checked and unpacked by one, written by another, while the
 * next symbols arrive. A disk that is slow fills the few places of unpacked packs, and then the receiver's memory.
 */
export class PackPipeline {
  readonly #parts: PipelineParts;
  #packsInHands = 0;
  #writtenBytes = 0;
  #writingMs = 0;
  #noRoomReported = 0;
  #wrongPacks = 0;
  #writing: Promise<void> = Promise.resolve();
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Packs whose content was not what the manifest says. */
  get wrongPacks(): number {
    return this.#wrongPacks;
  }

  /** All places are taken: complete packs wait for those before them to be written. */
  get isFull(): boolean {
    return this.#packsInHands >= this.#parts.unpacker.mostPacks;
  }

  /** How the disk does since the last call, for the sender. */
  takeDiskUse(): DiskUse {
    const bytesPerSecond = (this.#writtenBytes / this.#writingMs) * 1_000;
    this.#writtenBytes = 0;
    this.#writingMs = 0;
    const noRoom = this.#parts.receiver.fates.get("no-room") ?? 0;
    const isShort = noRoom > this.#noRoomReported;
    this.#noRoomReported = noRoom;
    return {
      waitsForDisk: isShort && this.isFull,
      ...(Number.isFinite(bytesPerSecond) ? { writeBytesPerSecond: Math.round(bytesPerSecond) } : {}),
    };
  }

  /** Takes what the receiver has; call it whenever that may be something. */
  pump(): void {
    const { receiver, unpacker } = this.#parts;
    if (this.#isStopped) return;
    for (let repair = receiver.takeRepair(); repair !== undefined; repair = receiver.takeRepair()) {
      const { block } = repair;
      this.#run(
        unpacker.repair(repair).then(() => {
          receiver.onRepaired(block);
          this.pump();
        }),
      );
    }
    while (!this.isFull) {
      const ready = receiver.takeReady();
      if (ready === undefined) return;
      this.#packsInHands += 1;
      this.#run(
        this.#bring(ready).finally(() => {
          this.#packsInHands -= 1;
        }),
      );
    }
  }

  /** Takes nothing more; resolves when nothing is under way any more, so that the target may be closed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  #run(work: Promise<void>): void {
    const { onFailure, onPack } = this.#parts;
    const running = work.then(
      () => undefined,
      (error: unknown) => {
        if (!this.#isStopped) onFailure(error);
      },
    );
    this.#running.add(running);
    void running.then(() => {
      this.#running.delete(running);
      this.pump();
      onPack();
    });
  }

  async #bring(ready: ReadyPack): Promise<void> {
    const { receiver, layout, manifest, unpacker } = this.#parts;
    const { pack } = ready;
    const number = layout.packNumbers[pack]!;
    let unpacked: UnpackedPack;
    try {
      unpacked = await unpacker.unpack(ready, manifest.packs[number]!);
    } catch (error) {
      if (!(error instanceof Fault) || error.code === "UNPACK_THREAD_ENDED") throw error;
      this.#onWrong(pack, error);
      return;
    }
    receiver.release(pack);
    try {
      await this.#write(number, unpacked.cells);
    } finally {
      unpacked.free();
    }
    receiver.onPackDone(pack);
  }

  // One after the other: a disk that has to seek between two is slower than with one.
  #write(number: number, cells: readonly Uint8Array[]): Promise<void> {
    const write = this.#writing.then(async () => {
      if (this.#isStopped) return;
      const from = performance.now();
      await this.#parts.writer.write(number, cells);
      this.#writingMs += performance.now() - from;
      this.#writtenBytes += cells.reduce((sum, cell) => sum + cell.length, 0);
    });
    this.#writing = write.catch(() => undefined);
    return write;
  }

  #onWrong(pack: number, { code }: Fault): void {
    const { receiver, log } = this.#parts;
    // Every symbol had a right checksum, so this was forged, or the server's memory is bad.
    this.#wrongPacks += 1;
    log.warn({ pack, code }, "a pack from the group was wrong and is fetched again");
    receiver.onPackWrong(pack);
  }
}
