import { type Signal, signal } from "@preact/signals";
import { Refusal } from "./api.ts";

/** Between two looks at the same thing, however much happens. */
const LEAST_MS = 700;

/**
 * Something on the server that a page shows: the last answer stays until the next one is there. Asking for it while it
 * is on its way asks once more afterwards, never twice at once.
 */
export class Resource<T> {
  readonly value: Signal<T | undefined> = signal(undefined);
  readonly refusal: Signal<Refusal | undefined> = signal(undefined);
  readonly #load: () => Promise<T>;
  #state: "idle" | "loading" | "again" = "idle";
  #lastMs = 0;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** Asks now, or as soon as may be. */
  refresh(): void {
    if (this.#state === "idle") void this.#run();
    else this.#state = "again";
  }

  async #run(): Promise<void> {
    this.#state = "loading";
    const waitMs = this.#lastMs + LEAST_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.#state = "loading";
    this.#lastMs = performance.now();
    try {
      this.value.value = await this.#load();
      this.refusal.value = undefined;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refusal.value = error;
    } finally {
      const isWanted = (this.#state as string) === "again";
      this.#state = "idle";
      if (isWanted) this.refresh();
    }
  }
}
