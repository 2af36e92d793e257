/** Things to do at their times: the fake clock. */
export class Agenda {
  now = 0;
  #order = 0;
  // A binary heap of [time, order, what].
  readonly #heap: [number, number, () => void][] = [];

  at(time: number, what: () => void): void {
    this.#heap.push([Math.max(time, this.now), this.#order, what]);
    this.#order += 1;
    for (let child = this.#heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (this.#isBefore(parent, child)) break;
      this.#swap(parent, child);
      child = parent;
    }
  }

  runWhile(isGoingOn: () => boolean): void {
    while (this.#heap.length > 0 && isGoingOn()) {
      const [time, , what] = this.#heap[0]!;
      const last = this.#heap.pop()!;
      if (this.#heap.length > 0) {
        this.#heap[0] = last;
        this.#sink();
      }
      this.now = time;
      what();
    }
  }

  #sink(): void {
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [parent * 2 + 1, parent * 2 + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, least)) least = child;
      }
      if (least === parent) return;
      this.#swap(parent, least);
      parent = least;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [leftTime, leftOrder] = this.#heap[left]!;
    const [rightTime, rightOrder] = this.#heap[right]!;
    return leftTime < rightTime || (leftTime === rightTime && leftOrder < rightOrder);
  }

  #swap(left: number, right: number): void {
    [this.#heap[left], this.#heap[right]] = [this.#heap[right]!, this.#heap[left]!];
  }
}
