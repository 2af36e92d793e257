import assert from "node:assert/strict";
import type { StreamDescription } from "../../multicast/description.ts";
import { encodeFeedback } from "../../multicast/feedback.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import type { PacketFormat } from "../../multicast/packet.ts";
import type { ParityCodec } from "../../multicast/parity.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import { type ReceiverReport, signerOf } from "../../multicast/roster.ts";
import type { SenderSession } from "../../multicast/sender.ts";
import type { Agenda } from "./agenda.ts";
import type { RoomPlan, SlowHost } from "./room-plan.ts";

/** What a simulated machine lives in. */
export type World = {
  readonly plan: RoomPlan;
  readonly agenda: Agenda;
  readonly random: () => number;
  readonly description: StreamDescription;
  readonly layout: StreamLayout;
  readonly format: PacketFormat;
  readonly codec: ParityCodec;
  /** A datagram as it counts on the wire. */
  readonly datagramBytes: number;
  packBytes(pack: number): Uint8Array;
  readonly sender: {
    readonly session: SenderSession;
    readonly isDown: boolean;
    /** A request has reached it. */
    hear(feedback: Uint8Array): void;
  };
};

const REPORT_MS = 1_000;
const FETCH_MS = 15;
const TICK_MS = 200;
const LINK_BUFFER_MS = 20;

/** One machine of a simulated room: a receiver with a bad link, a slow disk and a control connection. */
export class SimHost {
  readonly #world: World;
  readonly id: string;
  readonly receiver: StreamReceiver;
  readonly got = new Map<number, boolean>();
  readonly fetching = new Set<number>();
  state: ReceiverReport["state"] = "joined";
  isDead = false;
  isWriting = false;
  mostHeldBytes = 0;
  /** Symbols of each block that it took. */
  readonly kept: Uint16Array;
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

  constructor(id: string, world: World, slow: SlowHost = {}) {
    this.id = id;
    this.#world = world;
    this.slow = slow;
    const { plan, agenda, random, layout } = world;
    this.receiver = new StreamReceiver(world.description, layout, {
      memoryBytes: plan.memoryBytes,
      silenceMs: 5_000,
      now: agenda.now,
      random,
    });
    this.kept = new Uint16Array(layout.blockCount);
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
    const { agenda, datagramBytes } = this.#world;
    const { linkBytesPerSecond } = this.slow;
    if (linkBytesPerSecond === undefined) return 0;
    const waitMs = Math.max(0, this.linkFreeAt - agenda.now);
    if (waitMs > LINK_BUFFER_MS) return undefined;
    this.linkFreeAt = agenda.now + waitMs + (datagramBytes / linkBytesPerSecond) * 1_000;
    return this.linkFreeAt - agenda.now;
  }

  // Looks when the receiver says that it has something to ask.
  askLater(): void {
    const { agenda, format } = this.#world;
    const due = this.receiver.feedbackDueAt;
    if (due === undefined || due >= this.feedbackAt) return;
    const at = Math.max(due, agenda.now);
    this.feedbackAt = at;
    agenda.at(at, () => {
      if (this.feedbackAt !== at || this.isDead) return;
      this.feedbackAt = Number.POSITIVE_INFINITY;
      const feedback = this.receiver.takeFeedback(agenda.now);
      if (feedback !== undefined) this.ask(encodeFeedback({ receiver: signerOf(this.id), ...feedback }, format));
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
    const { plan, agenda, codec, packBytes } = this.#world;
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
    if (session.report(this.id, this.words(), agenda.now)) return;
    session.join(this.id, this.id, undefined, agenda.now, this.receiver.neededBlocks());
    session.report(this.id, this.words(), agenda.now);
  }

  fetch(): void {
    const { agenda, layout } = this.#world;
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
      if (aside !== undefined && this.servedHow.at(-1) !== aside.why) this.servedHow.push(aside.why);
      if (plan.hasUnicast) this.fetch();
    }
    this.askLater();
    agenda.at(agenda.now + TICK_MS, () => this.tick());
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
      waitsForDisk: this.isWriting && this.receiver.heldBytes > plan.memoryBytes / 2,
    };
    this.receivedReported = received;
    this.lostReported = lost;
    return words;
  }
}
