import type { KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { DescribedStream } from "../../agent/stream/describe.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import type { Fault } from "../../fault.ts";
import { asFault } from "../terminal/output.ts";
import { relayKeeper } from "./relay-keeper.ts";
import type { RelaySpool } from "./relay-spool.ts";

/** The origin's group is given up for a pack after so long without any pack from it: then it comes by unicast. */
const PATIENCE_MS = 5_000;

/** Takes the origin's stream from its group into a relay's spool, like any of its receivers. */
export class RelayIntake {
  readonly #received: Promise<void>;
  readonly #stopped = new AbortController();
  #isRunning = true;
  #wakes = new Set<() => void>();

  constructor(options: {
    readonly server: URL;
    readonly streamId: string;
    readonly described: DescribedStream;
    readonly trusted: readonly KeyObject[];
    readonly spool: RelaySpool;
    readonly name: string;
    /** An own address on the side of the origin; by default the one that leads to it. */
    readonly interfaceAddress: string | undefined;
    /** It cannot go on; what is missing comes by unicast. */
    readonly onFailure: (fault: Fault) => void;
    readonly log: Logger;
  }) {
    const { server, streamId, described, trusted, spool, name, interfaceAddress, onFailure, log } = options;
    const { manifest } = described;
    spool.onPack = () => this.#wakeAll();
    this.#received = receiveStream({
      server,
      streamId,
      trusted,
      described,
      target: { sizeBytes: manifest.diskBytes, write: async () => undefined, flush: async () => undefined },
      name,
      interfaceAddress,
      beforeWrite: async () => ({ isZeroed: true }),
      // The origin may wait for its own receivers for as long as it likes.
      timeoutMs: 0,
      keeper: relayKeeper(manifest, spool),
      signal: this.#stopped.signal,
      log,
    }).then(
      () => this.#end(),
      (error: unknown) => {
        this.#end();
        if (!this.#stopped.signal.aborted) onFailure(asFault(error));
      },
    );
  }

  /** Resolves when the group has brought a pack, or brings none any more. */
  async next(): Promise<void> {
    if (!this.#isRunning) return;
    const deadline = new AbortController();
    await new Promise<void>((resolve) => {
      this.#wakes.add(resolve);
      void sleep(PATIENCE_MS, undefined, { signal: deadline.signal }).then(resolve, () => undefined);
    });
    deadline.abort();
  }

  /** Whether packs may still come from the group. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Leaves the origin's stream. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#received;
  }

  #end(): void {
    this.#isRunning = false;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const wakes = this.#wakes;
    this.#wakes = new Set();
    for (const wake of wakes) wake();
  }
}
