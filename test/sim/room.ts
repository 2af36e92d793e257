import { decodeFeedback } from "../../multicast/feedback.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { Pacer } from "../../multicast/pacer.ts";
import { encodePacket, FRAME_BYTES, PACKET_HEADER_BYTES, PacketKind, packetFormat } from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import { type SenderAction, SenderSession } from "../../multicast/sender.ts";
import { descriptionOf, randomOf } from "../multicast/streams.ts";
import { Agenda } from "./agenda.ts";
import { AheadPace } from "./ahead-pace.ts";
import { SimHost, type World } from "./host.ts";
import { LedgerKeeper } from "./ledger.ts";
import type { RoomPlan, RoomResult } from "./room-plan.ts";

const SYMBOL_BYTES = 32;
/** A simulated hour: something waits for ever. */
const LIMIT_MS = 3_600_000;

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
  const { aheadMs = 0 } = plan;
  const ahead = aheadMs > 0 ? new AheadPace(plan.rateBytesPerSecond, datagramBytes, aheadMs) : undefined;
  const pacer = ahead ?? new Pacer(plan.rateBytesPerSecond, datagramBytes, 0);
  const books = new LedgerKeeper(layout.symbolCount, symbolsPerBlock);
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

  const world: World = {
    plan,
    agenda,
    random,
    description,
    layout,
    format,
    codec,
    datagramBytes,
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
        if (session.onFeedback(decodeFeedback(feedback, format)!, agenda.now)) wake();
      },
    },
  };
  const hosts: SimHost[] = [];
  const newHost = () => {
    const id = (hosts.length + 1).toString(16).padStart(16, "0");
    hosts.push(new SimHost(id, world, hosts.length < (plan.slowHosts ?? 1) ? plan.slow : undefined));
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
    for (const host of hosts) {
      if (host.isDead || host.state === "done") continue;
      const copies = host.loses() ? 0 : random() < plan.duplicates ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) arrive(host, bytes, block, random() * plan.jitterMs);
    }
  };
  const payloadOf = (block: number, symbol: number) => {
    const blockBytes = content
      .subarray(block * symbolsPerBlock * SYMBOL_BYTES)
      .subarray(0, symbolsPerBlock * SYMBOL_BYTES);
    if (symbol >= symbolsPerBlock) return codec.encode(blockBytes, symbol);
    return blockBytes.subarray(symbol * SYMBOL_BYTES, (symbol + 1) * SYMBOL_BYTES);
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
    hosts.some(({ isDead, state, kept }) => !isDead && state !== "done" && kept[block]! < layout.symbolsOfBlock(block));
  const send = (action: SenderAction & { readonly type: "send" }) => {
    sendTimes.push(agenda.now);
    const isSymbol = action.kind !== PacketKind.canary;
    if (isSymbol && symbolsSent === 0) startedAtMs = agenda.now;
    if (isSymbol) symbolsSent += 1;
    if (isSymbol) books.onSymbol(action.block, action.symbol, isNeeded(action.block), agenda.now);
    else books.onCanary();
    const payload = isSymbol ? payloadOf(action.block, action.symbol) : new Uint8Array();
    deliver(encodePacket({ ...action, sendTimeTenthsMs: 0, payload }, format), action.block);
    if (random() < plan.forged) {
      const sequence = Math.floor(random() * 2 ** 32);
      const lie = Uint8Array.from(payload, (byte) => byte ^ 0x55);
      const symbol = Math.floor(random() * 256);
      deliver(encodePacket({ ...action, symbol, sequence, sendTimeTenthsMs: 0, payload: lie }, format), action.block);
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
    const { fromMs, untilMs, everyMs } = plan.forgedTails;
    const forge = () => {
      const pause = Math.floor(random() * 0x10000);
      const tail = { block: layout.blockCount, symbol: pause >> 8, plannedParity: pause & 0xff };
      const sequence = Math.floor(random() * 2 ** 32);
      const payload = new Uint8Array();
      deliver(
        encodePacket({ kind: PacketKind.canary, ...tail, sequence, sendTimeTenthsMs: 0, payload }, format),
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
    datagramBytes,
    symbolsSent,
    symbolCount: layout.symbolCount,
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
