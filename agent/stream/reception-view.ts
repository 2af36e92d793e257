import type { StreamReceiver } from "../../multicast/receiver.ts";
import type { Hearing } from "./hearing.ts";
import type { ReceiveOptions, ReceiveProgress } from "./receive-options.ts";
import type { Reporter } from "./reporter.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { stageWords } from "./stage-words.ts";
import type { UnicastFetcher } from "./unicast.ts";

const SHOW_EVERY_MS = 200;

export type ReceptionViewParts = {
  readonly options: Pick<ReceiveOptions, "onProgress" | "onMark">;
  readonly description: { readonly group: string; readonly port: number };
  readonly layout: { readonly streamBytes: number; readonly packCount: number };
  readonly receiver: StreamReceiver;
  readonly unicast: UnicastFetcher;
  readonly reporter: Reporter;
  readonly restore: RestoreTarget;
  readonly hearing: Hearing;
  readonly now: () => number;
};

/** What people and programs see of a reception: its stage, its progress, and its marks. */
export class ReceptionView {
  readonly #parts: ReceptionViewParts;
  #stage: ReceiveProgress["stage"] = "arriving";
  #shownAt = 0;
  /** The own address that the stream arrives at. */
  interfaceAddress = "";

  constructor(parts: ReceptionViewParts) {
    this.#parts = parts;
  }

  get stage(): ReceiveProgress["stage"] {
    return this.#stage;
  }

  /** Shows a new stage at once. */
  enter(stage: ReceiveProgress["stage"]): void {
    this.#stage = stage;
    this.#shownAt = 0;
    this.show();
  }

  /** Call it often: it shows the marks, and five times a second the progress. */
  show(): void {
    const { options, layout, receiver, unicast, now } = this.#parts;
    this.showMarks();
    if (now() < this.#shownAt + SHOW_EVERY_MS) return;
    this.#shownAt = now();
    const { packsDone, doneBytes, fullPasses, datagramsReceived, datagramsLost } = receiver;
    const totalBytes = layout.streamBytes;
    options.onProgress?.({
      stage: this.#stage,
      ...this.#words(),
      percent: totalBytes === 0 ? 100 : (doneBytes / totalBytes) * 100,
      doneBytes,
      totalBytes,
      packsDone,
      packsTotal: layout.packCount,
      passes: fullPasses,
      symbolsReceived: datagramsReceived,
      symbolsLost: datagramsLost,
      unicastPacks: unicast.packs,
    });
  }

  showMarks(): void {
    const { options, receiver } = this.#parts;
    for (const mark of receiver.takeMarks()) options.onMark?.(mark);
  }

  #words(): { readonly detail: string; readonly waitingFor: string } {
    const { description, hearing, reporter, unicast, restore } = this.#parts;
    return stageWords({
      stage: this.#stage,
      group: description.group,
      port: description.port,
      interfaceAddress: this.interfaceAddress,
      silentMs: hearing.silentMs,
      standsMs: restore.standsMs,
      timeoutMs: hearing.timeoutMs,
      streamWaitsFor: reporter.waitingFor,
      isHeld: reporter.streamState === "open" && reporter.waitingFor !== "",
      lastFault: reporter.lastFault,
      asideWhy: reporter.asideWhy,
      isFetching: unicast.isBusy,
      unicastPacks: unicast.packs,
      areZerosWritten: restore.isZeroed,
    });
  }
}
