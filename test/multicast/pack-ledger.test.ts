import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamLayout } from "../../multicast/layout.ts";
import { PackLedger } from "../../multicast/pack-ledger.ts";
import { descriptionOf } from "./streams.ts";

/** Three packs in two blocks of 40 bytes: the second pack lies in both. */
function opened() {
  const sizes = [30, 25, 20];
  const shape = { symbolBytes: 10, symbolsPerBlock: 4 };
  const packs = sizes.map((storedBytes) => ({ storedBytes }));
  const layout = new StreamLayout(descriptionOf(sizes, shape), packs);
  return new PackLedger(layout);
}

test("ledger: a pack waits, collects, is ready, taken and gone; blocks are needed until then", () => {
  const ledger = opened();
  assert.deepEqual([ledger.missingBytes, ledger.needs(0), ledger.needs(1)], [75, true, true]);
  assert(ledger.isWaiting(0));
  ledger.onSymbol(0);
  assert(ledger.isWaiting(0), "it has no room");
  ledger.admit(0, 2);
  assert(ledger.isAdmitted(0));
  ledger.onSymbol(0);
  assert.equal(ledger.hasReady, false);
  ledger.onSymbol(0);
  assert.deepEqual([ledger.hasReady, ledger.isComplete(0), ledger.missingBytes], [true, true, 45]);
  assert(ledger.needs(0), "the second pack begins there");
  assert.equal(ledger.takeReady(), 0);
  assert.equal(ledger.takeReady(), undefined);
  assert.deepEqual([ledger.release(0), ledger.release(0)], [true, false]);
  assert.deepEqual([...ledger.missing(false)], [1, 2]);
});

test("ledger: one that nothing lacks is ready at once; one that came another way is not given out", () => {
  const ledger = opened();
  ledger.admit(0, 0);
  ledger.admit(1, 3);
  assert.deepEqual(ledger.takeElsewhere(0), { hadRoom: true });
  assert.equal(ledger.takeReady(), undefined);
  assert.deepEqual(ledger.takeElsewhere(1), { hadRoom: true });
  assert.deepEqual(ledger.takeElsewhere(2), { hadRoom: false });
  assert.equal(ledger.takeElsewhere(2), undefined);
  assert.deepEqual([ledger.missingBytes, ledger.needs(0), ledger.needs(1)], [0, false, false]);
});

test("ledger: a wrong pack waits again, and the second time it is not taken from symbols any more", () => {
  const ledger = opened();
  const takeOnce = () => {
    ledger.admit(2, 1);
    ledger.onSymbol(2);
    assert.equal(ledger.takeReady(), 2);
    ledger.release(2);
  };
  assert.equal(ledger.onWrong(2), false, "nobody took it");
  takeOnce();
  assert.equal(ledger.onWrong(2), true);
  assert.deepEqual([ledger.isWaiting(2), ledger.needs(1), ledger.missingBytes], [true, true, 75]);
  takeOnce();
  assert.equal(ledger.onWrong(2), true);
  assert.deepEqual([ledger.isWaiting(2), ledger.isComplete(2), ledger.missingBytes], [false, false, 75]);
  assert.deepEqual([...ledger.missing(true)], [2]);
  assert.deepEqual(ledger.takeElsewhere(2), { hadRoom: false });
  assert.equal(ledger.missingBytes, 55);
});

test("ledger: a symbol that is not believed any more is lacked again", () => {
  const ledger = opened();
  ledger.admit(0, 1);
  ledger.onSymbolLost(0);
  ledger.onSymbolLost(1);
  ledger.onSymbol(0);
  assert.equal(ledger.hasReady, false);
  ledger.onSymbol(0);
  assert.equal(ledger.hasReady, true);
});
