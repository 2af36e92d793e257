import assert from "node:assert/strict";
import { encodeFeedback } from "../../multicast/feedback.ts";
import { lackFrames } from "../../multicast/frame-agreement.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import { type ReceiverReport, signerOf } from "../../multicast/roster.ts";
import type { SenderSession } from "../../multicast/sender.ts";
import type { Agenda } from "./agenda.ts";
import { ORDINARY_SYMBOL_BYTES, type RoomPlan, type SlowHost } from "./room-plan.ts";
import { type SimWire, tailKey } from "./sim-wire.ts";

/** What a simulated machine lives in. */
export type World = {
  readonly plan: RoomPlan;
  readonly agenda: Agenda;
  readonly random: () => number;
  /** What the stream goes by now. */
  readonly wire: SimWire;
  packBytes(pack: number): Uint8Array;
  readonly sender: {
    readonly session: SenderSession;
    readonly isDown: boolean;
    /** A request has reached it. */
    hear(feedback: Uint8Array): void;
    /** A host says that it gets no large frames. */
    onLackingFrames(): void;
  };
};

const REPORT_MS = 1_000;
const FETCH_MS = 15;
const TICK_MS = 200;
const LINK_BUFFER_MS = 20;

/** What a machine of a simulated room can less than others. */
export type HostFlaws = { readonly slow?: SlowHost | undefined; readonly lacksLargeFrames?: boolean };

/** One machine of a simulated room: a receiver with a bad link, a slow disk and a control connection. */
export class SimHost {
  readonly #world: World;
  readonly id: string;
  receiver: StreamReceiver;
  readonly got = new Map<number, boolean>();
  readonly fetching = new Set<number>();
  state: ReceiverReport["state"] = "joined";
  isDead = false;
  isWriting = false;
  mostHeldBytes = 0;
  /** Symbols of each block that it took. */
  kept: Uint16Array;
  /** What it goes by. */
  wire: SimWire;
  readonly lacksLargeFrames: boolean;
  unicastPacks = 0;
  doneAtMs = 0;
  /** What becomes of datagrams now: a state of the Gilbert model of bursts. */
  isLosing = false;
  feedbackAt = Number.POSITIVE_INFINITY;
  readonly slow: SlowHost;
  /** When everything has left that its link still has to carry. */
  linkFreeAt = 0;
  receivedReported = 0;
  lostReported = 0;
  readonly servedHow: string[] = [];

  constructor(id: string, world: World, { slow = {}, lacksLargeFrames = false }: HostFlaws = {}) {
    this.id = id;
    this.#world = world;
    this.slow = slow;
    this.lacksLargeFrames = lacksLargeFrames;
    this.wire = world.wire;
    this.receiver = this.#newReceiver();
    this.kept = new Uint16Array(this.wire.layout.blockCount);
    const { plan, agenda, random } = world;
    for (let pack = 0; pack < plan.packs; pack += 1) {
      if (random() >= (plan.held ?? 0)) continue;
      this.receiver.onPackHeld(pack);
      this.got.set(pack, true);
    }
    world.sender.session.join(id, id, undefined, agenda.now, this.receiver.neededBlocks());
    // It holds everything already.
    if (this.receiver.isComplete) this.finish();
    this.report();
    this.tick();
  }

  #newReceiver(): StreamReceiver {
    const { plan, agenda, random } = this.#world;
    const { description, layout } = this.wire;
    return new StreamReceiver(description, layout, {
      memoryBytes: plan.memoryBytes,
      silenceMs: 5_000,
      tailKey,
      now: agenda.now,
      random,
    });
  }

  // The stream was described anew: it begins again with what it has.
  #goByOther(wire: SimWire): void {
    this.wire = wire;
    this.receiver = this.#newReceiver();
    for (const pack of this.got.keys()) this.receiver.onPackHeld(pack);
    this.kept = new Uint16Array(wire.layout.blockCount);
    this.state = "joined";
    this.receivedReported = 0;
    this.lostReported = 0;
  }

  /** Whether the next datagram is lost. In a burst of mean length b the next is lost too, with 1 - 1/b. */
  loses(): boolean {
    const { plan, random } = this.#world;
    const { loss, burst } = plan;
    this.isLosing = random() < (this.isLosing ? 1 - 1 / burst : loss / (burst * (1 - loss) + loss * (burst - 1)));
    if (random() < (this.slow.loss ?? 0)) return true;
    return burst === 1 ? random() < loss : this.isLosing;
  }

  /** How long its link keeps a datagram; undefined: it has no room for it. */
  linkDelayMs(): number | undefined {
    const { agenda } = this.#world;
    const { datagramBytes } = this.wire;
    const { linkBytesPerSecond } = this.slow;
    if (linkBytesPerSecond === undefined) return 0;
    const waitMs = Math.max(0, this.linkFreeAt - agenda.now);
    if (waitMs > LINK_BUFFER_MS) return undefined;
    this.linkFreeAt = agenda.now + waitMs + (datagramBytes / linkBytesPerSecond) * 1_000;
    return this.linkFreeAt - agenda.now;
  }

  // Looks when the receiver says that it has something to ask.
  askLater(): void {
    const { agenda } = this.#world;
    const due = this.receiver.feedbackDueAt;
    if (due === undefined || due >= this.feedbackAt) return;
    const at = Math.max(due, agenda.now);
    this.feedbackAt = at;
    agenda.at(at, () => {
      if (this.feedbackAt !== at || this.isDead) return;
      this.feedbackAt = Number.POSITIVE_INFINITY;
      const feedback = this.receiver.takeFeedback(agenda.now);
      if (feedback !== undefined)
        this.ask(encodeFeedback({ receiver: signerOf(this.id), ...feedback }, this.wire.format));
      this.askLater();
    });
  }

  ask(bytes: Uint8Array): void {
    const { plan, agenda, random } = this.#world;
    if (random() < plan.feedbackLoss) return;
    agenda.at(agenda.now + 0.2 + random() * plan.jitterMs, () => {
      this.#world.sender.hear(bytes);
    });
  }

  /** @param block that it belongs to */
  onDatagram(bytes: Uint8Array, block: number): void {
    const { agenda } = this.#world;
    if (this.isDead || this.state === "done") return;
    const fate = this.receiver.onDatagram(bytes, agenda.now);
    if (fate === "kept") this.kept[block]! += 1;
    if (this.state === "joined" && (fate === "canary" || fate === "kept")) {
      this.state = "ready";
      this.say();
    }
    this.mostHeldBytes = Math.max(this.mostHeldBytes, this.receiver.heldBytes);
    this.write();
    this.askLater();
  }

  // One pack at a time, as a disk does.
  write(): void {
    const { plan, agenda, packBytes } = this.#world;
    const { codec } = this.wire;
    for (let repair = this.receiver.takeRepair(); repair !== undefined; repair = this.receiver.takeRepair()) {
      codec.decode(repair.bytes, repair.missing, repair.parity);
      this.receiver.onRepaired(repair.block);
    }
    if (this.isWriting) return;
    const ready = this.receiver.takeReady();
    if (ready === undefined) return;
    const bytes = Buffer.concat(ready.pieces);
    this.receiver.release(ready.pack);
    if (Buffer.compare(bytes, packBytes(ready.pack)) !== 0) {
      this.receiver.onPackWrong(ready.pack);
      this.write();
      return;
    }
    this.isWriting = true;
    const written = () => {
      this.isWriting = false;
      this.take(ready.pack);
      this.write();
    };
    const writeMs = this.slow.writeMs ?? plan.writeMs;
    if (writeMs === 0) written();
    else agenda.at(agenda.now + writeMs, written);
  }

  take(pack: number): void {
    assert(!this.got.has(pack), "no pack is written twice");
    this.got.set(pack, true);
    this.receiver.onPackDone(pack);
    if (this.receiver.isComplete) this.finish();
  }

  finish(): void {
    this.state = "done";
    this.doneAtMs = this.#world.agenda.now;
    this.say();
  }

  // A sender that was started again does not know it: it joins with what it needs.
  say(): void {
    const { agenda, sender } = this.#world;
    const { session, isDown } = sender;
    if (isDown) return;
    const words = this.words();
    if (session.report(this.id, words, agenda.now)) {
      if (words.lacksFrames === true) sender.onLackingFrames();
      return;
    }
    if (this.wire !== this.#world.wire) this.#goByOther(this.#world.wire);
    session.join(this.id, this.id, undefined, agenda.now, this.receiver.neededBlocks());
    session.report(this.id, this.words(), agenda.now);
  }

  fetch(): void {
    const { agenda } = this.#world;
    const { layout } = this.wire;
    for (const pack of this.receiver.wantedByUnicast(agenda.now)) {
      if (this.fetching.size >= 2) return;
      if (this.fetching.has(pack)) continue;
      this.fetching.add(pack);
      const { linkBytesPerSecond } = this.slow;
      const linkMs = linkBytesPerSecond === undefined ? 0 : (layout.packBytes(pack) / linkBytesPerSecond) * 1_000;
      agenda.at(agenda.now + FETCH_MS + linkMs, () => {
        this.fetching.delete(pack);
        if (this.isDead) return;
        if (this.receiver.takeUnicast(pack)) {
          this.unicastPacks += 1;
          this.take(pack);
        }
        this.fetch();
      });
    }
  }

  tick(): void {
    const { plan, agenda } = this.#world;
    if (this.isDead || this.state === "done") return;
    const { session, isDown } = this.#world.sender;
    if (!isDown) {
      this.receiver.onStreamState(session.state, agenda.now);
      this.receiver.feedbackEveryMs = session.feedbackEveryMs;
      const aside = session.receiver(this.id)?.aside;
      this.receiver.isServedByUnicast = plan.hasUnicast && aside?.way === "unicast";
      if (this.state === "joined" && this.receiver.isServedByUnicast) this.state = "ready";
      if (aside !== undefined && this.servedHow.at(-1) !== aside.why) this.servedHow.push(aside.why);
      if (plan.hasUnicast) this.fetch();
    }
    this.askLater();
    agenda.at(agenda.now + TICK_MS, () => this.tick());
  }

  get #lacksFrames(): boolean {
    if (this.#world.sender.session.state === "ended") return false;
    const { heardAt, datagramsReceived } = this.receiver;
    const isLarge = this.wire.description.symbolBytes > ORDINARY_SYMBOL_BYTES;
    const silentMs = this.#world.agenda.now - heardAt;
    return lackFrames({ isLarge, hasHeard: datagramsReceived > 0, silentMs });
  }

  report(): void {
    const { agenda } = this.#world;
    if (this.isDead || this.state === "done") return;
    if (this.state === "ready" && this.receiver.hasSymbols) this.state = "receiving";
    this.say();
    agenda.at(agenda.now + REPORT_MS, () => this.report());
  }

  words(): ReceiverReport {
    const { plan } = this.#world;
    const { datagramsReceived: received, datagramsLost: lost } = this.receiver;
    const words: ReceiverReport = {
      state: this.state,
      packsDone: this.got.size,
      packsTotal: plan.packs,
      symbolsReceived: received - this.receivedReported,
      symbolsLost: Math.max(0, lost - this.lostReported),
      lacksFrames: this.#lacksFrames,
      waitsForDisk: this.isWriting && this.receiver.heldBytes > plan.memoryBytes / 2,
    };
    this.receivedReported = received;
    this.lostReported = lost;
    return words;
  }
}
