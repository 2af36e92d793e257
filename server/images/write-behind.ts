/** Writes that go on while the next one is prepared; this waits only when there are many. */
export class WriteBehind {
  readonly #most: number;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** @param most writes at the same time */
  constructor(most: number) {
    this.#most = most;
  }

  /** Begins a write. Throws what an earlier one threw. */
  async add(write: () => Promise<void>): Promise<void> {
    while (this.#underWay.size >= this.#most) await Promise.race(this.#underWay);
    this.#check();
    const writing: Promise<void> = write()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
  }

  /** Resolves when all that was begun is written. */
  async end(): Promise<void> {
    await this.settle();
    this.#check();
  }

  /** Resolves when nothing is written any more, whatever came of it. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
