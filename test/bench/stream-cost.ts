/**
 * Where the bytes and the time of a stream go, in the seeded simulation: `npm run bench:stream-cost`.
 *
 * No sockets: the rate is that of 25 Mbit/s, a request takes nothing, and each host loses by itself. `--help` tells how
 * to run a part of it.
 */
import { parseArgs } from "node:util";
import { SYMBOL_BYTES as WIRE_SYMBOL_BYTES } from "../../multicast/description.ts";
import { simulateRoom } from "../sim/room.ts";
import type { RoomPlan } from "../sim/room-plan.ts";
import { printBench, type Row } from "./measure.ts";
import { mostOfHosts } from "./perfect-repair.ts";

const help = `usage: node test/bench/stream-cost.ts [options]

  --receivers 1,16,100,500  how many hosts
  --loss 0,1,5              percent of the packets that each host loses
  --symbols 192             how many symbols make a block
  --mebibytes 64            how long the stream is
  --seeds 3                 runs of each, of which the mean is shown
  --ahead 40                ms that a datagram waits to be sent

cost       symbols sent, in units of what a perfect code would send: the image / (1 - loss)
bound      the same for a sender that always knows what each host lacks of each block
The next are percent of the image:
loss       further symbols that somebody lacked, in the pass
  tail     and after it
nobody     further symbols that nobody lacked any more, in the pass
  tail     and after it
canaries   sent after the pass, beside the symbols
time       from the first symbol to the last host's end, in units of what the image takes at the rate
tail ms    from the last symbol that was sent for the first time to the last host's end
asked/s    most requests that the sender heard in one second
`;
const { values } = parseArgs({
  options: {
    receivers: { type: "string", default: "1,16,100,500" },
    loss: { type: "string", default: "0,1,5" },
    symbols: { type: "string", default: "192" },
    mebibytes: { type: "string", default: "64" },
    seeds: { type: "string", default: "3" },
    ahead: { type: "string", default: "40" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

/** Datagrams of the simulation are short; what counts is how many there are. */
const DATAGRAM_BYTES = 96;
const SYMBOL_BYTES = 32;
/** 25 Mbit/s of full frames. */
const DATAGRAMS_PER_SECOND = 25e6 / 8 / 1514;
const PACK_BYTES = 40_000;

const numbersOf = (list: string) => list.split(",").map(Number);
const symbolCount = (Number(values.mebibytes) * 1024 ** 2) / WIRE_SYMBOL_BYTES;

const rows: Row[] = [];
for (const receivers of numbersOf(values.receivers)) {
  for (const percent of numbersOf(values.loss)) {
    for (const symbolsPerBlock of numbersOf(values.symbols)) rows.push(rowOf(receivers, percent, symbolsPerBlock));
  }
}
printBench("stream-cost", { mebibytes: Number(values.mebibytes), seeds: Number(values.seeds) }, rows);

function rowOf(receivers: number, percent: number, symbolsPerBlock: number): Row {
  const loss = percent / 100;
  const figures = Array.from({ length: Number(values.seeds) }, (_, seed) =>
    figuresOf({
      seed: seed + 1,
      receivers,
      // Packs are as long as chance makes them, half of the longest on average.
      packs: Math.round((symbolCount * SYMBOL_BYTES) / (PACK_BYTES / 2)),
      once: false,
      loss,
      duplicates: 0,
      burst: 1,
      sharedLoss: 0,
      feedbackLoss: 0,
      jitterMs: 0,
      forged: 0,
      changeAtMs: undefined,
      rateBytesPerSecond: DATAGRAMS_PER_SECOND * DATAGRAM_BYTES,
      aheadMs: Number(values.ahead),
      memoryBytes: 1e9,
      writeMs: 0,
      hasUnicast: false,
      symbolsPerBlock,
      packBytes: PACK_BYTES,
    }),
  );
  const mean = (name: keyof (typeof figures)[number]) =>
    figures.reduce((sum, figure) => sum + figure[name], 0) / figures.length;
  const share = (name: keyof (typeof figures)[number]) => (mean(name) * 100).toFixed(2);
  return {
    hosts: receivers,
    "loss %": percent,
    block: symbolsPerBlock,
    cost: mean("cost").toFixed(4),
    bound: (mostOfHosts(symbolsPerBlock, loss, receivers) * (1 - loss)).toFixed(4),
    loss: share("neededInPass"),
    "loss tail": share("neededInTail"),
    nobody: share("neededByNobodyInPass"),
    "nobody tail": share("neededByNobodyInTail"),
    canaries: share("canaries"),
    time: mean("time").toFixed(4),
    "tail ms": Math.round(mean("tailMs")),
    "asked/s": Math.max(...figures.map(({ mostAsked }) => mostAsked)),
  };
}

function figuresOf(plan: RoomPlan) {
  const { symbolsSent, symbolCount: symbols, ledger, startedAtMs, receivers, feedbackTimes } = simulateRoom(plan);
  if (!receivers.every(({ isRight }) => isRight)) throw new Error(`A host has not everything: ${JSON.stringify(plan)}`);
  const endedAtMs = Math.max(...receivers.map(({ doneAtMs }) => doneAtMs));
  const canaries = ledger.canaries.afterPass;
  return {
    cost: (symbolsSent / symbols) * (1 - plan.loss),
    neededInPass: ledger.neededInPass / symbols,
    neededInTail: ledger.neededInTail / symbols,
    neededByNobodyInPass: ledger.neededByNobodyInPass / symbols,
    neededByNobodyInTail: ledger.neededByNobodyInTail / symbols,
    canaries: canaries / symbols,
    time: (endedAtMs - startedAtMs) / ((symbols / DATAGRAMS_PER_SECOND) * 1_000),
    tailMs: endedAtMs - ledger.passEndedAtMs,
    mostAsked: mostInASecond(feedbackTimes),
  };
}

function mostInASecond(times: readonly number[]): number {
  let first = 0;
  let most = 0;
  for (let last = 0; last < times.length; last += 1) {
    while (times[last]! - times[first]! >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
