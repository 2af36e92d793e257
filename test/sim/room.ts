import assert from "node:assert/strict";
import { decodeFeedback, encodeFeedback } from "../../multicast/feedback.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { Pacer } from "../../multicast/pacer.ts";
import { encodePacket, FRAME_BYTES, PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import { type ReceiverReport, signerOf } from "../../multicast/roster.ts";
import { SenderSession } from "../../multicast/sender.ts";
import { descriptionOf, randomOf } from "../multicast/streams.ts";
import { Agenda } from "./agenda.ts";
import type { RoomPlan, RoomResult, SlowHost } from "./room-plan.ts";

const SYMBOL_BYTES = 32;
const REPORT_MS = 1_000;
const FETCH_MS = 15;
const TICK_MS = 200;
/** A simulated hour: something waits for ever. */
const LIMIT_MS = 3_600_000;
const LINK_BUFFER_MS = 20;

/** Runs a room of receivers on one stream, on a fake clock and a bad network. */
export function simulateRoom(plan: RoomPlan): RoomResult {
  const random = randomOf(plan.seed);
  const sizes = Array.from({ length: plan.packs }, () => 1 + Math.floor(random() * plan.packBytes));
  const { symbolsPerBlock } = plan;
  const description = descriptionOf(sizes, { symbolBytes: SYMBOL_BYTES, symbolsPerBlock });
  const layout = new StreamLayout(
    description,
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const content = Uint8Array.from({ length: layout.symbolCount * SYMBOL_BYTES }, () => random() * 256);
  content.fill(0, layout.streamBytes);
  const packBytes = (pack: number) =>
    content.subarray(layout.packStart(pack), layout.packStart(pack) + layout.packBytes(pack));
  const format = packetFormat(description);
  const codec = new ParityCodec(symbolsPerBlock, SYMBOL_BYTES);
  const datagramBytes = PACKET_HEADER_BYTES + SYMBOL_BYTES + FRAME_BYTES;
  const atFirst = plan.changeAtMs === undefined ? plan.receivers : plan.receivers - 1;
  const pacer = new Pacer(plan.rateBytesPerSecond, datagramBytes, 0);
  const newSession = () =>
    new SenderSession(layout, pacer, {
      firstSequence: Math.floor(random() * 2 ** 32),
      waitFor: atFirst,
      maxWaitMs: 10_000,
      once: plan.once,
      idleEndMs: 120_000,
    });
  const agenda = new Agenda();
  let session = newSession();
  let isSenderDown = false;
  const sendTimes: number[] = [];
  const feedbackTimes: number[] = [];
  let symbolsSent = 0;
  let startedAtMs = 0;
  let overReason = "";

  class Host {
    readonly id: string;
    readonly receiver = new StreamReceiver(description, layout, {
      memoryBytes: plan.memoryBytes,
      silenceMs: 5_000,
      now: agenda.now,
      random,
    });
    readonly got = new Map<number, boolean>();
    readonly fetching = new Set<number>();
    state: ReceiverReport["state"] = "joined";
    isDead = false;
    isWriting = false;
    mostHeldBytes = 0;
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

    constructor(id: string, slow: SlowHost = {}) {
      this.id = id;
      this.slow = slow;
      for (let pack = 0; pack < plan.packs; pack += 1) {
        if (random() >= (plan.held ?? 0)) continue;
        this.receiver.onPackHeld(pack);
        this.got.set(pack, true);
      }
      session.join(id, id, undefined, agenda.now, this.receiver.neededBlocks());
      // It holds everything already.
      if (this.receiver.isComplete) this.finish();
      this.report();
      this.tick();
    }

    /** Whether the next datagram is lost. In a burst of mean length b the next is lost too, with 1 - 1/b. */
    loses(): boolean {
      const { loss, burst } = plan;
      this.isLosing = random() < (this.isLosing ? 1 - 1 / burst : loss / (burst * (1 - loss) + loss * (burst - 1)));
      if (random() < (this.slow.loss ?? 0)) return true;
      return burst === 1 ? random() < loss : this.isLosing;
    }

    /** How long its link keeps a datagram; undefined: it has no room for it. */
    linkDelayMs(): number | undefined {
      const { linkBytesPerSecond } = this.slow;
      if (linkBytesPerSecond === undefined) return 0;
      const waitMs = Math.max(0, this.linkFreeAt - agenda.now);
      if (waitMs > LINK_BUFFER_MS) return undefined;
      this.linkFreeAt = agenda.now + waitMs + (datagramBytes / linkBytesPerSecond) * 1_000;
      return this.linkFreeAt - agenda.now;
    }

    // Looks when the receiver says that it has something to ask.
    askLater(): void {
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
      if (random() < plan.feedbackLoss) return;
      agenda.at(agenda.now + 0.2 + random() * plan.jitterMs, () => {
        if (isSenderDown) return;
        feedbackTimes.push(agenda.now);
        session.onFeedback(decodeFeedback(bytes, format)!, agenda.now);
      });
    }

    onDatagram(bytes: Uint8Array): void {
      if (this.isDead || this.state === "done") return;
      const fate = this.receiver.onDatagram(bytes, agenda.now);
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
      this.doneAtMs = agenda.now;
      this.say();
    }

    // A sender that was started again does not know it: it joins with what it needs.
    say(): void {
      if (isSenderDown) return;
      if (session.report(this.id, this.words(), agenda.now)) return;
      session.join(this.id, this.id, undefined, agenda.now, this.receiver.neededBlocks());
      session.report(this.id, this.words(), agenda.now);
    }

    fetch(): void {
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
      if (this.isDead || this.state === "done") return;
      if (!isSenderDown) {
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
      if (this.isDead || this.state === "done") return;
      if (this.state === "ready" && this.receiver.hasSymbols) this.state = "receiving";
      this.say();
      agenda.at(agenda.now + REPORT_MS, () => this.report());
    }

    words(): ReceiverReport {
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

  const hosts: Host[] = [];
  const newHost = () => {
    const id = (hosts.length + 1).toString(16).padStart(16, "0");
    hosts.push(new Host(id, hosts.length < (plan.slowHosts ?? 1) ? plan.slow : undefined));
  };
  for (let number = 0; number < atFirst; number += 1) newHost();
  if (plan.changeAtMs !== undefined) {
    agenda.at(plan.changeAtMs, () => {
      hosts[0]!.isDead = true;
      newHost();
    });
  }

  const arrive = (host: Host, bytes: Uint8Array, jitterMs: number) => {
    const linkMs = host.linkDelayMs();
    if (linkMs === undefined) return;
    const delayMs = linkMs + jitterMs;
    if (delayMs === 0) host.onDatagram(bytes);
    else agenda.at(agenda.now + delayMs, () => host.onDatagram(bytes));
  };
  const deliver = (bytes: Uint8Array) => {
    if (random() < plan.sharedLoss) return;
    for (const host of hosts) {
      if (host.isDead || host.state === "done") continue;
      const copies = host.loses() ? 0 : random() < plan.duplicates ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) arrive(host, bytes, random() * plan.jitterMs);
    }
  };
  const payloadOf = (block: number, symbol: number) => {
    const blockBytes = content
      .subarray(block * symbolsPerBlock * SYMBOL_BYTES)
      .subarray(0, symbolsPerBlock * SYMBOL_BYTES);
    if (symbol >= symbolsPerBlock) return codec.encode(blockBytes, symbol);
    return blockBytes.subarray(symbol * SYMBOL_BYTES, (symbol + 1) * SYMBOL_BYTES);
  };
  const pump = (own: SenderSession) => {
    for (;;) {
      if (own !== session || isSenderDown) return;
      pacer.setRate(Math.min(plan.rateBytesPerSecond, session.rateCeilingBytesPerSecond));
      const action = session.poll(agenda.now);
      if (action.type === "over") {
        overReason = action.reason;
        return;
      }
      if (action.type === "wait") {
        // Receivers' words wake a real sender; here it looks again soon. Timers are late, as real ones are.
        agenda.at(Math.min(action.until, agenda.now + 50) + random() * 2, () => pump(own));
        return;
      }
      sendTimes.push(agenda.now);
      const isSymbol = action.kind !== PacketKind.canary;
      if (isSymbol && symbolsSent === 0) startedAtMs = agenda.now;
      if (isSymbol) symbolsSent += 1;
      const payload = isSymbol ? payloadOf(action.block, action.symbol) : new Uint8Array();
      deliver(encodePacket({ ...action, sendTimeTenthsMs: 0, payload }, format));
      if (random() < plan.forged) {
        const sequence = Math.floor(random() * 2 ** 32);
        const lie = Uint8Array.from(payload, (byte) => byte ^ 0x55);
        const symbol = Math.floor(random() * 256);
        deliver(encodePacket({ ...action, symbol, sequence, sendTimeTenthsMs: 0, payload: lie }, format));
      }
    }
  };
  if (plan.senderCrash !== undefined) {
    const { atMs, forMs } = plan.senderCrash;
    agenda.at(atMs, () => {
      isSenderDown = true;
      agenda.at(agenda.now + forMs, () => {
        isSenderDown = false;
        session = newSession();
        pump(session);
      });
    });
  }
  if (plan.forgedTails !== undefined) {
    const { fromMs, untilMs, everyMs } = plan.forgedTails;
    const forge = () => {
      const pause = Math.floor(random() * 0x10000);
      const tail = { block: layout.blockCount, symbol: pause >> 8, plannedParity: pause & 0xff };
      const sequence = Math.floor(random() * 2 ** 32);
      const payload = new Uint8Array();
      deliver(encodePacket({ kind: PacketKind.canary, ...tail, sequence, sendTimeTenthsMs: 0, payload }, format));
      if (agenda.now + everyMs < untilMs) agenda.at(agenda.now + everyMs, forge);
    };
    agenda.at(fromMs, forge);
  }
  pump(session);
  const isOver = () =>
    hosts.length === plan.receivers && hosts.every(({ isDead, state }) => isDead || state === "done");
  // A sender that starts again when all are done has nobody to end for.
  const hasToEnd = plan.once && plan.senderCrash === undefined;
  agenda.runWhile(() => agenda.now < LIMIT_MS && !(isOver() && (overReason !== "" || !hasToEnd)));
  return {
    sendTimes,
    datagramBytes,
    symbolsSent,
    symbolCount: layout.symbolCount,
    feedbackTimes,
    startedAtMs,
    endedAtMs: agenda.now,
    overReason,
    receivers: hosts.map(({ got, isDead, mostHeldBytes, unicastPacks, doneAtMs, servedHow }) => ({
      isRight: got.size === plan.packs,
      isDead,
      mostHeldBytes,
      unicastPacks,
      doneAtMs,
      words: servedHow,
    })),
  };
}
