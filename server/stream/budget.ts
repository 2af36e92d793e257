/** One stream's share of a budget. */
export type BudgetShare = {
  /** So much it would send now; what it does not want, others get. */
  want(bytesPerSecond: number): void;
  /** Others get what it had. */
  close(): void;
};

type Member = { wanted: number; granted: number; readonly onGrant: (bytesPerSecond: number) => void };

/**
 * What all streams of one interface may send together: each gets what it wants, or as much as everybody else who wants
 * that much. Nobody is told to send more before the others were told to send less, so they never exceed it together.
 */
export class Budget {
  readonly #mostBytesPerSecond: number;
  readonly #members = new Set<Member>();

  constructor(mostBytesPerSecond: number) {
    this.#mostBytesPerSecond = mostBytesPerSecond;
  }

  /** @param onGrant told at every change, first with what the first `want` brings */
  join(onGrant: (bytesPerSecond: number) => void): BudgetShare {
    const member: Member = { wanted: 0, granted: 0, onGrant };
    this.#members.add(member);
    return {
      want: (bytesPerSecond) => {
        if (member.wanted === bytesPerSecond || !this.#members.has(member)) return;
        member.wanted = bytesPerSecond;
        this.#share();
      },
      close: () => {
        if (this.#members.delete(member)) this.#share();
      },
    };
  }

  #share(): void {
    const members = [...this.#members].sort((one, other) => one.wanted - other.wanted);
    const grants = fairShares(
      members.map(({ wanted }) => wanted),
      this.#mostBytesPerSecond,
    );
    const changes = members.flatMap((member, at) => {
      const change = grants[at]! - member.granted;
      return change === 0 ? [] : [{ member, change, granted: grants[at]! }];
    });
    changes.sort((one, other) => one.change - other.change);
    for (const { member, granted } of changes) {
      member.granted = granted;
      member.onGrant(granted);
    }
  }
}

/** Max-min fair: nobody gets more while another, who wants more, has less. @param wanted ascending */
export function fairShares(wanted: readonly number[], most: number): number[] {
  let left = most;
  return wanted.map((want, at) => {
    const share = Math.min(want, left / (wanted.length - at));
    left -= share;
    return share;
  });
}
