import type { LoopState, LoopVerdict } from "../../bsdp/loop-guard.ts";
import { countAttempt, isForgettable, loopVerdict } from "../../bsdp/loop-guard.ts";

/** Machines whose loops are watched at the same time. */
const REMEMBERED_MACHINES = 10_000;

/** The loop guard's memory: how often each machine was given which loader. */
export class LoopMemory {
  readonly #loops = new Map<string, LoopState>();

  /** What a machine that goes on with an attempt gets. */
  verdict(mac: string, nowMs: number): LoopVerdict {
    return loopVerdict(this.#loops.get(mac), nowMs);
  }

  /** Counts an attempt; `isNewStop` when this one ended its tries, for one alert. */
  count(
    mac: string,
    attempt: { readonly loader: string; readonly xid: number; readonly atMs: number },
  ): { readonly verdict: LoopVerdict; readonly isNewStop: boolean } {
    const before = this.#loops.get(mac);
    const counted = countAttempt(before, attempt);
    this.#remember(mac, counted, attempt.atMs);
    const verdict = loopVerdict(counted, attempt.atMs);
    return { verdict, isNewStop: verdict === "stop" && before?.stoppedUntilMs !== counted.stoppedUntilMs };
  }

  #remember(mac: string, state: LoopState, nowMs: number): void {
    if (this.#loops.size >= REMEMBERED_MACHINES && !this.#loops.has(mac)) {
      for (const [old, one] of this.#loops) if (isForgettable(one, nowMs)) this.#loops.delete(old);
      if (this.#loops.size >= REMEMBERED_MACHINES) return;
    }
    this.#loops.set(mac, state);
  }
}
