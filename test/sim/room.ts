import { decodeFeedback } from "../../multicast/feedback.ts";
import { mayBecomeOrdinary } from "../../multicast/frame-agreement.ts";
import { Pacer } from "../../multicast/pacer.ts";
import { encodePacket, PACKET_HEADER_BYTES, PacketKind } from "../../multicast/packet.ts";
import { type SenderAction, SenderSession } from "../../multicast/sender.ts";
import { randomOf } from "../multicast/streams.ts";
import { Agenda } from "./agenda.ts";
import { AheadPace } from "./ahead-pace.ts";
import { SimHost, type World } from "./host.ts";
import { LedgerKeeper } from "./ledger.ts";
import { ORDINARY_SYMBOL_BYTES, type RoomPlan, type RoomResult } from "./room-plan.ts";
import { simWire, tailProof } from "./sim-wire.ts";

/** A simulated hour: something waits for ever. */
const LIMIT_MS = 3_600_000;

/** Runs a room of receivers on one stream, on a fake clock and a bad network. */
export function simulateRoom(plan: RoomPlan): RoomResult {
  const random = randomOf(plan.seed);
  const sizes = Array.from({ length: plan.packs }, () => 1 + Math.floor(random() * plan.packBytes));
  const { symbolsPerBlock } = plan;
  const streamBytes = sizes.reduce((sum, size) => sum + size, 0);
  const symbols = Math.ceil(streamBytes / ORDINARY_SYMBOL_BYTES);
  const content = Uint8Array.from({ length: symbols * ORDINARY_SYMBOL_BYTES }, () => random() * 256);
  const wireOf = (symbolBytes: number) => simWire(content, sizes, { symbolBytes, symbolsPerBlock });
  const { frames } = plan;
  let wire = wireOf(frames?.symbolBytes ?? ORDINARY_SYMBOL_BYTES);
  const packBytes = (pack: number) => {
    const from = wire.layout.packStart(pack);
    return content.subarray(from, from + wire.layout.packBytes(pack));
  };
  const atFirst = plan.changeAtMs === undefined ? plan.receivers : plan.receivers - 1;
  const { aheadMs = 0 } = plan;
  const newAhead = () =>
    aheadMs > 0 ? new AheadPace(plan.rateBytesPerSecond, wire.datagramBytes, aheadMs) : undefined;
  let ahead = newAhead();
  let pacer = ahead ?? new Pacer(plan.rateBytesPerSecond, wire.datagramBytes, 0);
  let books = new LedgerKeeper(wire.layout.symbolCount, symbolsPerBlock);
  const newSession = () =>
    new SenderSession(wire.layout, pacer, {
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
  const sendBytes: number[] = [];
  const feedbackTimes: number[] = [];
  let symbolsSent = 0;
  let startedAtMs = 0;
  let overReason = "";

  const world: World = {
    plan,
    agenda,
    random,
    get wire() {
      return wire;
    },
    packBytes,
    sender: {
      get session() {
        return session;
      },
      get isDown() {
        return isSenderDown;
      },
      hear(feedback) {
        if (isSenderDown) return;
        feedbackTimes.push(agenda.now);
        const decoded = decodeFeedback(feedback, wire.format);
        // One on its way from before the stream was described anew may be of another length.
        if (decoded !== undefined && session.onFeedback(decoded, agenda.now)) wake();
      },
      onLackingFrames() {
        const isLarge = wire.description.symbolBytes > ORDINARY_SYMBOL_BYTES;
        if (mayBecomeOrdinary(isLarge, session)) becomeOrdinary();
      },
    },
  };
  const hosts: SimHost[] = [];
  const newHost = () => {
    const id = (hosts.length + 1).toString(16).padStart(16, "0");
    hosts.push(
      new SimHost(id, world, {
        slow: hosts.length < (plan.slowHosts ?? 1) ? plan.slow : undefined,
        lacksLargeFrames: hosts.length >= plan.receivers - (frames?.lackingHosts ?? 0),
      }),
    );
  };
  // All receivers are unknown to the new session: they learn of it with their next report.
  const becomeOrdinary = () => {
    wire = wireOf(ORDINARY_SYMBOL_BYTES);
    ahead = newAhead();
    pacer = ahead ?? new Pacer(plan.rateBytesPerSecond, wire.datagramBytes, agenda.now);
    books = new LedgerKeeper(wire.layout.symbolCount, symbolsPerBlock);
    session = newSession();
    pump(session);
  };
  for (let number = 0; number < atFirst; number += 1) newHost();
  if (plan.changeAtMs !== undefined) {
    agenda.at(plan.changeAtMs, () => {
      hosts[0]!.isDead = true;
      newHost();
    });
  }

  const arrive = (host: SimHost, bytes: Uint8Array, block: number, jitterMs: number) => {
    const linkMs = host.linkDelayMs();
    if (linkMs === undefined) return;
    const delayMs = linkMs + jitterMs;
    if (delayMs === 0) host.onDatagram(bytes, block);
    else agenda.at(agenda.now + delayMs, () => host.onDatagram(bytes, block));
  };
  const deliver = (bytes: Uint8Array, block: number) => {
    if (random() < plan.sharedLoss) return;
    const isLarge = bytes.length > PACKET_HEADER_BYTES + ORDINARY_SYMBOL_BYTES;
    const isTooLarge = isLarge && agenda.now >= (frames?.lackFromMs ?? 0);
    for (const host of hosts) {
      if (isTooLarge && host.lacksLargeFrames) continue;
      if (host.isDead || host.state === "done") continue;
      const copies = host.loses() ? 0 : random() < plan.duplicates ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) arrive(host, bytes, block, random() * plan.jitterMs);
    }
  };
  /** Which wait is the last one: a word that wakes the sender ends it. */
  let wait = 0;
  let isWaiting = false;
  const wake = () => {
    if (!isWaiting || isSenderDown) return;
    wait += 1;
    isWaiting = false;
    pump(session);
  };
  const isNeeded = (block: number) =>
    hosts.some(
      ({ isDead, state, kept }) => !isDead && state !== "done" && kept[block]! < wire.layout.symbolsOfBlock(block),
    );
  const send = (action: SenderAction & { readonly type: "send" }) => {
    sendTimes.push(agenda.now);
    sendBytes.push(wire.datagramBytes);
    const isSymbol = action.kind !== PacketKind.canary;
    if (isSymbol && symbolsSent === 0) startedAtMs = agenda.now;
    if (isSymbol) symbolsSent += 1;
    if (isSymbol) books.onSymbol(action.block, action.symbol, isNeeded(action.block), agenda.now);
    else books.onCanary();
    const payload = isSymbol ? wire.payloadOf(action.block, action.symbol) : tailProof(action);
    deliver(encodePacket({ ...action, sendTimeTenthsMs: 0, payload }, wire.format), action.block);
    if (random() < plan.forged) {
      const sequence = Math.floor(random() * 2 ** 32);
      const lie = Uint8Array.from(payload, (byte) => byte ^ 0x55);
      const symbol = Math.floor(random() * 256);
      deliver(
        encodePacket({ ...action, symbol, sequence, sendTimeTenthsMs: 0, payload: lie }, wire.format),
        action.block,
      );
    }
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
        // Timers are late, as real ones are.
        wait += 1;
        isWaiting = true;
        const mine = wait;
        agenda.at(Math.min(action.until, agenda.now + 50) + random() * 2, () => {
          if (mine !== wait) return;
          isWaiting = false;
          pump(own);
        });
        return;
      }
      if (ahead === undefined) send(action);
      else agenda.at(ahead.leavesAt, () => send(action));
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
    const { fromMs, untilMs, everyMs, pause: said } = plan.forgedTails;
    const forge = () => {
      const pause = said ?? Math.floor(random() * 0x10000);
      const tail = { block: wire.layout.blockCount, symbol: pause >> 8, plannedParity: pause & 0xff };
      const sequence = Math.floor(random() * 2 ** 32);
      const payload = new Uint8Array();
      deliver(
        encodePacket({ kind: PacketKind.canary, ...tail, sequence, sendTimeTenthsMs: 0, payload }, wire.format),
        tail.block,
      );
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
    sendBytes,
    datagramBytes: wire.datagramBytes,
    symbolBytes: wire.description.symbolBytes,
    symbolsSent,
    symbolCount: wire.layout.symbolCount,
    ledger: books.ledger,
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
