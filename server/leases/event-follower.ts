const PAGE = 500;

/** Events have numbers that ascend in the order in which things happened. */
type Numbered = { readonly id: number };

type FollowerOptions<Event extends Numbered> = {
  /** The newest event that everybody has heard of. */
  readonly afterId: number;
  /** Events behind `after` in their order, at most `limit`. */
  readonly read: (after: number, limit: number) => Promise<readonly Event[]>;
  readonly tell: (event: Event) => void;
};

/**
 * Tells of the events of several servers, each once and in the order of their ids. Ours come this way, too: another
 * server's may lie between them.
 */
export class EventFollower<Event extends Numbered> {
  readonly #options: FollowerOptions<Event>;
  #lastId: number;
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(options: FollowerOptions<Event>) {
    this.#options = options;
    this.#lastId = options.afterId;
  }

  /** Resolves when all is told that is committed by now. @throws what reading throws; then it is told the next time */
  catchUp(): Promise<void> {
    // A reading that is under way may have begun too early.
    this.#next ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#reading = this.#read();
        return this.#reading;
      });
    return this.#next;
  }

  async #read(): Promise<void> {
    for (;;) {
      const page = await this.#options.read(this.#lastId, PAGE);
      for (const event of page) {
        this.#lastId = event.id;
        this.#options.tell(event);
      }
      if (page.length < PAGE) return;
    }
  }
}
