import assert from "node:assert/strict";
import { StreamLayout } from "../../multicast/layout.ts";
import { Pacer } from "../../multicast/pacer.ts";
import { encodePacket, FRAME_BYTES, PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../multicast/packet.ts";
import { StreamReceiver } from "../../multicast/receiver.ts";
import type { ReceiverReport } from "../../multicast/roster.ts";
import { SenderSession } from "../../multicast/sender.ts";
import { descriptionOf, randomOf } from "../multicast/streams.ts";

/** What happens in a simulated room; everything follows from the seed. */
export type RoomPlan = {
  readonly seed: number;
  readonly receivers: number;
  readonly packs: number;
  readonly once: boolean;
  /** Share of the datagrams that each receiver loses, and that arrive twice. */
  readonly loss: number;
  readonly duplicates: number;
  /** Datagrams take up to so much longer than others: that is what reorders them. */
  readonly jitterMs: number;
  /** Share of the datagrams that a stranger follows with a forged one of right checksum. */
  readonly forged: number;
  /** The last receiver joins so late; the first one is switched off then. */
  readonly changeAtMs: number;
  readonly rateBytesPerSecond: number;
  readonly memoryBytes: number;
  /** How long one pack takes to be written. */
  readonly writeMs: number;
  /** False: what is missing comes only with the next pass. */
  readonly hasUnicast: boolean;
};

export type RoomResult = {
  readonly sendTimes: readonly number[];
  readonly datagramBytes: number;
  readonly endedAtMs: number;
  readonly receivers: readonly {
    readonly isRight: boolean;
    readonly isDead: boolean;
    readonly mostHeldBytes: number;
    readonly unicastPacks: number;
  }[];
  readonly overReason: string;
};

const SYMBOL_BYTES = 128;
const REPORT_MS = 1_000;
const FETCH_MS = 15;
const TICK_MS = 200;
/** A simulated hour: something waits for ever. */
const LIMIT_MS = 3_600_000;

/** Runs a room of receivers on one stream, on a fake clock and a bad network. */
export function simulateRoom(plan: RoomPlan): RoomResult {
  const random = randomOf(plan.seed);
  const sizes = Array.from({ length: plan.packs }, () => 1 + Math.floor(random() * 6_000));
  const description = descriptionOf(sizes, { symbolBytes: SYMBOL_BYTES, symbolsPerBlock: 16 });
  const layout = new StreamLayout(
    description,
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const content = Uint8Array.from({ length: layout.symbolCount * SYMBOL_BYTES }, () => random() * 256);
  content.fill(0, layout.streamBytes);
  const packBytes = (pack: number) =>
    content.subarray(layout.packStart(pack), layout.packStart(pack) + layout.packBytes(pack));
  const format = packetFormat(description);
  const datagramBytes = PACKET_HEADER_BYTES + SYMBOL_BYTES + FRAME_BYTES;
  const session = new SenderSession(layout, new Pacer(plan.rateBytesPerSecond, datagramBytes, 0), {
    waitFor: plan.receivers - 1,
    maxWaitMs: 10_000,
    once: plan.once,
    idleEndMs: 120_000,
  });
  const agenda = new Agenda();
  const sendTimes: number[] = [];
  let overReason = "";

  class Host {
    readonly id: string;
    readonly receiver = new StreamReceiver(description, layout, {
      memoryBytes: plan.memoryBytes,
      silenceMs: 5_000,
      now: agenda.now,
    });
    readonly got = new Map<number, boolean>();
    readonly fetching = new Set<number>();
    state: ReceiverReport["state"] = "joined";
    isDead = false;
    isWriting = false;
    mostHeldBytes = 0;
    unicastPacks = 0;

    constructor(id: string) {
      this.id = id;
      session.join(id, id, undefined, agenda.now);
      this.report();
      this.tick();
    }

    onDatagram(bytes: Uint8Array): void {
      if (this.isDead || this.state === "done") return;
      const fate = this.receiver.onDatagram(bytes, agenda.now);
      if (this.state === "joined" && (fate === "canary" || fate === "kept")) {
        this.state = "ready";
        session.report(this.id, this.words(), agenda.now);
      }
      this.mostHeldBytes = Math.max(this.mostHeldBytes, this.receiver.heldBytes);
      this.write();
    }

    // One pack at a time, as a disk does.
    write(): void {
      if (this.isWriting) return;
      const ready = this.receiver.takeReady();
      if (ready === undefined) return;
      if (Buffer.compare(ready.bytes, packBytes(ready.pack)) !== 0) {
        this.receiver.onPackWrong(ready.pack);
        this.write();
        return;
      }
      this.isWriting = true;
      agenda.at(agenda.now + plan.writeMs, () => {
        this.isWriting = false;
        this.take(ready.pack);
        this.write();
      });
    }

    take(pack: number): void {
      assert(!this.got.has(pack), "no pack is written twice");
      this.got.set(pack, true);
      this.receiver.onPackDone(pack);
      if (!this.receiver.isComplete) return;
      this.state = "done";
      session.report(this.id, this.words(), agenda.now);
    }

    fetch(): void {
      for (const pack of this.receiver.wantedByUnicast(agenda.now)) {
        if (this.fetching.size >= 2) return;
        if (this.fetching.has(pack)) continue;
        this.fetching.add(pack);
        agenda.at(agenda.now + FETCH_MS, () => {
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
      this.receiver.onStreamState(session.state, agenda.now);
      if (plan.hasUnicast) this.fetch();
      agenda.at(agenda.now + TICK_MS, () => this.tick());
    }

    report(): void {
      if (this.isDead || this.state === "done") return;
      if (this.state === "ready" && this.receiver.hasSymbols) this.state = "receiving";
      session.report(this.id, this.words(), agenda.now);
      agenda.at(agenda.now + REPORT_MS, () => this.report());
    }

    words(): ReceiverReport {
      return {
        state: this.state,
        packsDone: this.got.size,
        packsTotal: plan.packs,
        symbolsReceived: 0,
        symbolsLost: 0,
      };
    }
  }

  const hosts: Host[] = [];
  for (let number = 0; number < plan.receivers - 1; number += 1) hosts.push(new Host(`host-${number}`));
  agenda.at(plan.changeAtMs, () => {
    hosts[0]!.isDead = true;
    hosts.push(new Host("late"));
  });

  const deliver = (bytes: Uint8Array) => {
    for (const host of hosts) {
      const copies = random() < plan.loss ? 0 : random() < plan.duplicates ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        agenda.at(agenda.now + 0.2 + random() * plan.jitterMs, () => host.onDatagram(bytes));
      }
    }
  };
  const pump = () => {
    for (;;) {
      const action = session.poll(agenda.now);
      if (action.type === "over") {
        overReason = action.reason;
        return;
      }
      if (action.type === "wait") {
        // Receivers' words wake a real sender; here it looks again soon. Timers are late, as real ones are.
        agenda.at(Math.min(action.until, agenda.now + 50) + random() * 2, pump);
        return;
      }
      sendTimes.push(agenda.now);
      const from = (action.block * layout.symbolsPerBlock + action.symbol) * SYMBOL_BYTES;
      const payload =
        action.kind === PacketKind.symbol ? content.subarray(from, from + SYMBOL_BYTES) : new Uint8Array();
      deliver(encodePacket({ ...action, plannedParity: 0, sendTimeUs: 0, payload }, format));
      if (random() < plan.forged) {
        const sequence = Math.floor(random() * 2 ** 32);
        const lie = Uint8Array.from(payload, (byte) => byte ^ 0x55);
        const symbol = Math.floor(random() * 256);
        deliver(encodePacket({ ...action, symbol, sequence, plannedParity: 0, sendTimeUs: 0, payload: lie }, format));
      }
    }
  };
  pump();
  const isOver = () =>
    hosts.length === plan.receivers && hosts.every(({ isDead, state }) => isDead || state === "done");
  agenda.runWhile(() => agenda.now < LIMIT_MS && !(isOver() && (overReason !== "" || !plan.once)));
  return {
    sendTimes,
    datagramBytes,
    endedAtMs: agenda.now,
    overReason,
    receivers: hosts.map(({ got, isDead, mostHeldBytes, unicastPacks }) => ({
      isRight: got.size === plan.packs,
      isDead,
      mostHeldBytes,
      unicastPacks,
    })),
  };
}

/** Things to do at their times: the fake clock. */
class Agenda {
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
