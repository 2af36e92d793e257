/** Reports and datagrams overtake each other by so much: a share of what was sent in between, and a few more. */
const SLACK_SHARE = 0.5;
const SLACK_DATAGRAMS = 500;

type Counts = { readonly symbolsReceived: number; readonly symbolsLost: number };

/**
 * Corrects what receivers believe to have lost. They count by the numbers of the datagrams, and forged ones
 * look like millions that were lost: the rate would fall for the whole room. The sender knows how many it has sent.
 */
export class PlausibleLoss {
  /** What had been sent at each receiver's last report. */
  readonly #sentAt = new Map<string, number>();

  /** @param sent datagrams of the stream so far, wraps at 32 bits */
  correct<Report extends Counts>(id: string, report: Report, sent: number): Report {
    const before = this.#sentAt.get(id);
    this.#sentAt.set(id, sent);
    // What its first report counts began before we looked.
    const since = before === undefined ? sent : (sent - before) >>> 0;
    const { symbolsReceived, symbolsLost } = report;
    if (symbolsReceived + symbolsLost <= since * (1 + SLACK_SHARE) + SLACK_DATAGRAMS) return report;
    return { ...report, symbolsLost: Math.min(symbolsLost, Math.max(0, since - symbolsReceived)) };
  }

  /** It reports no more. */
  forget(id: string): void {
    this.#sentAt.delete(id);
  }
}
