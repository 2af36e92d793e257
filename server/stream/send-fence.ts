/** Nanoseconds, as the system counts them for all threads alike. */
export type FenceMemory = SharedArrayBuffer;

/** A clock that never runs backwards and is the same in all threads, in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/**
 * Until when streams may be sent, where another server may take them over afterwards. It lies in shared memory and every
 * thread that sends looks at it right before: so a process that stood still sends nothing when it wakes up, even before
 * it knows why.
 */
export class SendFence {
  readonly memory: FenceMemory;
  readonly #untilNs: BigInt64Array;

  constructor(memory: FenceMemory = new SharedArrayBuffer(8)) {
    this.memory = memory;
    this.#untilNs = new BigInt64Array(memory);
  }

  /** @param ms by `monotonicMs`; the past closes it */
  set untilMs(ms: number) {
    const untilNs = Number.isFinite(ms) ? BigInt(Math.floor(ms * 1_000)) * 1_000n : 0n;
    Atomics.store(this.#untilNs, 0, untilNs);
  }

  get isOpen(): boolean {
    return process.hrtime.bigint() < Atomics.load(this.#untilNs, 0);
  }
}
