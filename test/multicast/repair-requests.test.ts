import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StreamLayout } from "../../multicast/layout.ts";
import { RepairRequests } from "../../multicast/repair-requests.ts";
import { descriptionOf } from "./streams.ts";

/** Ten blocks of eight symbols, of which some are lacking; who decides when to ask for them. */
function start({ everyMs = 50, random = (): number => 0.5 } = {}) {
  const sizes = Array.from({ length: 10 }, () => 512);
  const layout = new StreamLayout(
    descriptionOf(sizes, {}),
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const lacking = new Map<number, number>();
  const store = { lackingOf: (block: number) => lacking.get(block) ?? 0, hasRoomFor: () => true };
  const requests = new RepairRequests(layout, store, random);
  requests.everyMs = everyMs;
  /** When it asks, looked at every millisecond from `from` on, before `until`. */
  const asksAt = (from: number, until: number, before: (now: number) => void = () => {}) => {
    const times: number[] = [];
    for (let now = from; now < until; now += 1) {
      before(now);
      if (requests.takeWishes(now).length > 0) times.push(now);
    }
    return times;
  };
  return { requests, lacking, asksAt };
}

test("requests: a pause that is too long for any room is forged: it silences nobody, then or later", () => {
  const { requests, lacking, asksAt } = start();
  lacking.set(3, 2);
  requests.onTail(655_350, 0);
  assert(asksAt(0, 60).length > 0, "at once");
  requests.onTail(655_350, 60);
  requests.onSymbol(5, 61);
  requests.onTail(10, 70);
  assert(asksAt(70, 200).length > 0, "and again, when the sender itself speaks");
});

test("requests: whatever pauses a stranger sends, nobody is silent for longer than two turns", () => {
  const strange = fc.record({
    pauseMs: fc.oneof(fc.integer({ min: 10, max: 100 }), fc.integer({ min: 10, max: 655_350 })),
    isSymbol: fc.boolean(),
  });
  const check = (everyMs: number, words: readonly { pauseMs: number; isSymbol: boolean }[], chance: number) => {
    const { requests, lacking, asksAt } = start({ everyMs, random: () => chance });
    lacking.set(3, 2);
    requests.onTail(10, 0);
    const times = asksAt(0, 3_000, (now) => {
      const word = words[now % words.length]!;
      if (word.isSymbol) requests.onSymbol(now % 10, now);
      else requests.onTail(word.pauseMs, now);
    });
    // It rests one turn and draws a time in the next; what it asked for has its 80 ms to come.
    const longest = Math.max(...[0, ...times].map((time, at) => (times[at] ?? 3_000) - time));
    assert(longest <= 2 * everyMs + 100, `silent for ${longest} ms`);
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 500 }),
      fc.array(strange, { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      check,
    ),
    { numRuns: 60 },
  );
});
