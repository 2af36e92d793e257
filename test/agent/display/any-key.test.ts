import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { keyPressed } from "../../../agent/display/any-key.ts";

/** A console that remembers how it was set. */
function console(): PassThrough & { readonly modes: boolean[]; setRawMode(isRaw: boolean): void } {
  const modes: boolean[] = [];
  return Object.assign(new PassThrough(), { modes, setRawMode: (isRaw: boolean) => void modes.push(isRaw) });
}

const LONG_MS = 100_000;

test("any key on any console counts at once, and they are left as they were", async () => {
  const [serial, screen] = [console(), console()];
  const pressed = keyPressed([serial, screen], LONG_MS);
  screen.write("x");
  assert.equal(await pressed, true);
  for (const source of [serial, screen]) {
    assert.deepEqual(source.modes, [true, false]);
    assert.deepEqual([source.isPaused(), source.listenerCount("data")], [true, 0]);
  }
});

test("nobody there: the time ends it", async () => {
  assert.equal(await keyPressed([console()], 1), false);
  assert.equal(await keyPressed([], 1), false);
});

test("consoles that are closed, hung up or have no modes bring no key, and end nothing", async () => {
  const closed = console();
  closed.end();
  const modeless = Object.assign(new PassThrough(), {
    setRawMode() {
      throw new Error("ENOTTY");
    },
  });
  const hungUp = console();
  const pressed = keyPressed([closed, hungUp, modeless], 50);
  hungUp.destroy(new Error("read EIO"));
  assert.equal(await pressed, false);
});
