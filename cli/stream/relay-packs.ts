import type { StreamInfo } from "../../agent/contract.ts";
import { askAgain } from "../../agent/stream/ask-again.ts";
import type { StreamControl } from "../../agent/stream/control.ts";
import { Fault } from "../../fault.ts";
import type { PackEntry } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import type { RelayIntake } from "./relay-intake.ts";
import { digestOf, type RelaySpool } from "./relay-spool.ts";

/** Its receivers wait as long without data before they give up: longer would serve nobody. */
const PATIENCE_MS = 50_000;
/**
 * A pack is waited for so long while the group brings others: the relay's receivers hear nothing meanwhile. The group may
 * be in another part of the image, and come back to this one in half an hour; then the next packs are not waited for.
 */
const GROUP_PATIENCE_MS = 15_000;
const GROUP_ELSEWHERE_MS = 120_000;
const WRONG_TRIES = 3;

type Origin = Pick<StreamControl, "pack" | "streams">;
type RelayedImage = Pick<StreamInfo, "image" | "imageVersion" | "diskBytes">;

/**
 * The packs of a relayed stream: from the spool, or else from the origin over its control connection. Only what the
 * relay's own receivers need is fetched, each pack once.
 */
export class RelayPacks implements PackReader {
  readonly #origin: Origin;
  readonly #image: RelayedImage;
  #streamId: string;
  readonly #spool: Pick<RelaySpool, "readInto" | "write" | "count">;
  readonly #intake: Pick<RelayIntake, "isRunning" | "next"> | undefined;
  readonly #onWait: (reason: string) => void;
  readonly #signal: AbortSignal;
  readonly #patienceMs: number;
  readonly #groupPatienceMs: number;
  /** Not before this is a pack waited for that the group may bring. */
  #waitsFrom = 0;
  /** What is fetched now: the sender and a receiver by unicast may want the same. */
  readonly #fetching = new Map<number, Promise<Uint8Array>>();
  #fetched = 0;

  /** @param options.onWait says why it does not get on, once for each wait; "" when it does again */
  constructor(options: {
    readonly origin: Origin;
    readonly streamId: string;
    readonly image: RelayedImage;
    readonly spool: Pick<RelaySpool, "readInto" | "write" | "count">;
    /** Where packs come from by themselves; they are waited for. */
    readonly intake?: Pick<RelayIntake, "isRunning" | "next"> | undefined;
    readonly onWait: (reason: string) => void;
    readonly signal: AbortSignal;
    /** For tests. */
    readonly patienceMs?: number;
    /** For tests. */
    readonly groupPatienceMs?: number;
  }) {
    this.#origin = options.origin;
    this.#streamId = options.streamId;
    this.#image = options.image;
    this.#spool = options.spool;
    this.#intake = options.intake;
    this.#onWait = options.onWait;
    this.#signal = options.signal;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#groupPatienceMs = options.groupPatienceMs ?? GROUP_PATIENCE_MS;
  }

  /** Packs that came from the origin. */
  get fetched(): number {
    return this.#fetched;
  }

  /** @throws {Fault} PACK_DAMAGED when the origin gives other bytes than its manifest says; RELAY_ORIGIN_LOST */
  async read(pack: PackEntry, number: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(pack.storedBytes);
    await this.readInto(pack, number, bytes);
    return bytes;
  }

  /** The same into memory that is there. */
  async readInto(pack: PackEntry, number: number, target: Uint8Array): Promise<void> {
    if (!this.#fetching.has(number)) {
      if (await this.#readKept(number, target)) return;
    }
    let fetching = this.#fetching.get(number);
    if (fetching === undefined) {
      fetching = this.#fetch(pack, number).finally(() => this.#fetching.delete(number));
      this.#fetching.set(number, fetching);
    }
    target.set(await fetching);
  }

  // The group brings packs in its own order: as long as any come, this one may be among the next.
  async #readKept(number: number, target: Uint8Array): Promise<boolean> {
    if (await this.#spool.readInto(number, target)) return true;
    const from = performance.now();
    if (this.#intake?.isRunning !== true || from < this.#waitsFrom) return false;
    while (this.#intake.isRunning && performance.now() < from + this.#groupPatienceMs) {
      const before = this.#spool.count;
      await this.#intake.next();
      if (await this.#spool.readInto(number, target)) return true;
      if (this.#spool.count === before) return false;
    }
    this.#waitsFrom = performance.now() + GROUP_ELSEWHERE_MS;
    return false;
  }

  async #fetch(pack: PackEntry, number: number): Promise<Uint8Array> {
    const patience = {
      goesByItself,
      patienceMs: this.#patienceMs,
      onWait: this.#onWait,
      giveUp: lost,
      signal: this.#signal,
    };
    for (let tries = 0; tries < WRONG_TRIES; tries += 1) {
      const bytes = await askAgain(() => this.#ask(pack), patience);
      if (digestOf(bytes) !== pack.digest) continue;
      await this.#spool.write(number, bytes);
      this.#fetched += 1;
      return bytes;
    }
    throw damaged(number);
  }

  async #ask(pack: PackEntry): Promise<Uint8Array> {
    try {
      return await this.#origin.pack(this.#streamId, pack);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "STREAM_UNKNOWN" || !(await this.#findAgain())) throw error;
      return this.#ask(pack);
    }
  }

  // The origin was started again: its stream of the image has another id. Packs are known by their digest all the same.
  async #findAgain(): Promise<boolean> {
    const { image, imageVersion, diskBytes } = this.#image;
    const found = await this.#origin.streams().then(
      ({ streams }) =>
        streams.find(
          (stream) => stream.image === image && stream.imageVersion === imageVersion && stream.diskBytes === diskBytes,
        ),
      () => undefined,
    );
    const isAnother = found !== undefined && found.description.streamId !== this.#streamId;
    if (isAnother) this.#streamId = found.description.streamId;
    return isAnother;
  }
}

/** Faults that end when the origin is back, or has time. */
const goesByItself: ReadonlySet<string> = new Set(["SERVER_UNREACHABLE", "STREAM_UNKNOWN", "UNICAST_BUSY"]);

function damaged(number: number): Fault {
  return new Fault("PACK_DAMAGED", {
    what: `Pack ${number} came from the origin with wrong bytes ${WRONG_TRIES} times. The relay's stream ends.`,
    why: "Its bytes have another digest than the signed manifest says: the origin's disk or memory is bad, or somebody changes them on the way.",
    fix: "Verify the image on the origin (bootcast image verify), then start the relay again.",
  });
}

function lost(cause: Fault, patienceMs: number): Fault {
  return new Fault(
    "RELAY_ORIGIN_LOST",
    {
      what: `The relay cannot reach the origin any more. ${cause.what}`,
      why: `It did not answer for ${Math.round(patienceMs / 1_000)} s: ${cause.why}`,
      fix: "Start the origin's stream again, then the relay: it keeps what it has fetched, and its receivers come back to it.",
    },
    cause,
  );
}
