import type { Logger } from "pino";
import { StreamControl } from "../../agent/stream/control.ts";
import type { GroupKeys } from "../../agent/stream/group-keys.ts";
import { type Reported, Reporter } from "../../agent/stream/reporter.ts";
import type { RelayPacks } from "./relay-packs.ts";

/**
 * A relay by unicast as its origin sees it: a receiver that needs nothing from the group. The origin shows it, and does
 * not end a `--once` stream while it still serves others.
 */
export class RelayMember {
  readonly #reporter: Reporter;
  readonly #control: StreamControl;

  constructor(options: {
    readonly server: URL;
    readonly streamId: string;
    readonly packsTotal: number;
    readonly packs: Pick<RelayPacks, "fetched">;
    /** Of the origin's streams that are encrypted: known once it has joined. */
    readonly groupKeys: GroupKeys;
    readonly log: Logger;
  }) {
    const { packs } = options;
    // Without the relay's signal: the last word, that it was stopped, must still be said.
    this.#control = new StreamControl({ server: options.server, groupKeys: options.groupKeys });
    const reported: Reported = {
      datagramsReceived: 0,
      datagramsLost: 0,
      get packsDone() {
        return packs.fetched;
      },
      neededBlocks: () => [],
      feedbackEveryMs: 0,
    };
    this.#reporter = new Reporter(this.#control, options.streamId, reported, options.packsTotal, options.log);
  }

  /** @throws {Fault} SERVER_UNREACHABLE, STREAM_FULL */
  join(name: string): Promise<void> {
    return this.#reporter.start({ name, needs: [] });
  }

  async leave(state: "done" | "left"): Promise<void> {
    await this.#reporter.stop(state);
    await this.#control.close();
  }
}
