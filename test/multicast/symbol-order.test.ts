import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { PacketKind } from "../../multicast/packet.ts";
import { SymbolOrder } from "../../multicast/symbol-order.ts";
import { descriptionOf } from "./streams.ts";

const EVERY_MS = 20;
/** How long a symbol takes. */
const SYMBOL_MS = 10;

/** An order of 40 blocks of eight symbols, and what it has given. */
function start({ once = false, blocks = 40 } = {}) {
  const sizes = Array.from({ length: blocks }, () => 512);
  const layout = new StreamLayout(
    descriptionOf(sizes, {}),
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const passes: number[] = [];
  const order = new SymbolOrder(layout, { once, onPassEnd: (pass) => passes.push(pass) });
  const sent: { kind: PacketKind; block: number; symbol: number }[] = [];
  let now = 0;
  /** Sends until there is nothing, or so many. */
  const send = (most = Number.POSITIVE_INFINITY) => {
    for (let count = 0; count < most; count += 1) {
      const next = order.next(sent.length, 1, EVERY_MS, now);
      if (next === undefined) return;
      sent.push({ kind: next.kind, block: next.block, symbol: next.symbol });
      now += SYMBOL_MS;
    }
  };
  const repairsOf = (block: number) =>
    sent.filter((one) => one.kind === PacketKind.repair && one.block === block).length;
  /** Somebody lost so many symbols of `block`, and took all that was sent for it since. */
  const ask = (block: number, lost: number) => {
    const lacking = lost - repairsOf(block);
    if (lacking > 0) order.onWishes([{ block, count: 1, lacking }], sent.length - 1, now);
  };
  return { order, layout, sent, passes, send, repairsOf, ask };
}

test("order: the last blocks get what the worst of the last ones needed, and one more, before anybody asks", () => {
  const { order, send, sent, repairsOf, ask, layout } = start();
  order.needRuns([[0, layout.blockCount]]);
  for (let block = 0; block < 36; block += 1) {
    while (sent.at(-1)?.block !== block || sent.at(-1)?.symbol !== 7) send(1);
    if (block > 0) ask(block - 1, block === 30 ? 3 : 2);
  }
  send();
  assert.equal(repairsOf(20), 2, "of most blocks everything is known");
  assert.equal(repairsOf(29), 3, "this one needed most");
  // A block takes 100 ms with its repairs, and is judged after 290.
  for (const block of [37, 38, 39]) assert.equal(repairsOf(block), 4, `block ${block}`);
});

test("order: where nothing was lost nothing is sent unasked", () => {
  const { order, send, sent, layout, passes } = start();
  order.needRuns([[0, layout.blockCount]]);
  send();
  assert.equal(sent.length, layout.symbolCount);
  assert.deepEqual(passes, [1]);
});

test("order: who lacks more than there is parity for is sent the whole block, after the pass", () => {
  const { order, send, sent, ask, layout } = start({ blocks: 4 });
  order.needRuns([[0, layout.blockCount]]);
  send(16);
  ask(0, 5);
  send();
  assert.deepEqual(
    sent.slice(layout.symbolCount).map(({ kind, block }) => [kind, block]),
    Array.from({ length: 8 }, () => [PacketKind.symbol, 0]),
  );
});

test("order: a stream of one pass goes back to no block; before its first symbol everybody is in time", () => {
  const { order, send, sent, layout } = start({ once: true, blocks: 4 });
  order.needRuns([[2, 2]]);
  order.needRuns([[1, 1]]);
  send(9);
  order.needRuns([[0, layout.blockCount]]);
  send();
  assert.deepEqual([...new Set(sent.map(({ block }) => block))], [1, 2, 3]);
});

test("order: a host that asks for everything again and again takes half of what is sent, and no more", () => {
  const { order, send, sent, layout } = start();
  order.needRuns([[0, layout.blockCount]]);
  const symbols = () => sent.filter(({ kind }) => kind === PacketKind.symbol).length;
  while (symbols() < layout.symbolCount && sent.length < 10 * layout.symbolCount) {
    // It claims to have heard nothing since the stream began.
    const now = sent.length * SYMBOL_MS;
    order.onWishes([{ block: 0, count: layout.blockCount, lacking: layout.mostRepaired(0) }], 0, now);
    send(1);
  }
  assert.equal(symbols(), layout.symbolCount, "the pass ends");
  const repairs = sent.length - symbols();
  assert(repairs > layout.symbolCount / 2, `it asks for much: ${repairs}`);
  assert(repairs <= layout.symbolCount + layout.symbolsPerBlock, `${repairs} repairs`);
});
