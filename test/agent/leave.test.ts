import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { type Afterwards, afterwards } from "../../agent/contract.ts";
import { enterPressed } from "../../agent/leave/enter-key.ts";
import { type Leaving, leave, STAY_MS } from "../../agent/leave/leave.ts";
import { Fault } from "../../fault.ts";

const log = pino({ level: "silent" });

/** A machine that notes how it is left; whatever is in `fails` throws. */
async function left(how: Afterwards, fails: readonly string[] = []) {
  const did: string[] = [];
  const said: string[] = [];
  const act = (name: string) => async () => {
    did.push(name);
    if (fails.includes(name)) throw new Fault("TOOL_FAILED", { what: `${name} failed.`, why: "", fix: "" });
  };
  const machine: Leaving = {
    reboot: act("reboot"),
    powerOff: act("powerOff"),
    startKernel: act("startKernel"),
    enterPressed: async (mostMs) => void did.push(`enter within ${mostMs}`),
  };
  await leave(how, machine, { say: (state, text) => void said.push(`${state}: ${text}`), log });
  return { did, said };
}

// A call that comes back did not work: on the machine none of them does.
const table: readonly { how: Afterwards; fails?: readonly string[]; did: readonly string[]; said?: RegExp }[] = [
  { how: "reboot", did: ["reboot"] },
  { how: "reboot", fails: ["reboot"], did: ["reboot"], said: /switch it off and on/ },
  { how: "power-off", did: ["powerOff", "reboot"], said: /did not switch itself off/ },
  { how: "power-off", fails: ["powerOff"], did: ["powerOff", "reboot"], said: /powerOff failed\. It restarts instead/ },
  { how: "kexec", did: ["startKernel", "reboot"] },
  { how: "kexec", fails: ["startKernel"], did: ["startKernel", "reboot"], said: /startKernel failed\. It restarts/ },
  { how: "wait", did: [`enter within ${STAY_MS}`, "reboot"], said: /Press Enter to restart/ },
];
for (const { how, fails, did, said } of table) {
  test(`left by ${how}${fails === undefined ? "" : `, where ${fails.join()} fails`}`, async () => {
    const result = await left(how, fails);
    assert.deepEqual(result.did, did);
    if (said !== undefined) assert.match(result.said.join("\n"), said);
  });
}

test("every way ends in a restart at the latest", async () => {
  for (const how of afterwards) assert.equal((await left(how, ["powerOff", "startKernel"])).did.at(-1), "reboot");
});

test("Enter on the console ends the stay, other keys do not, and time does", async () => {
  const console = new PassThrough();
  let isOver = false;
  const pressed = enterPressed(console, 60_000).then(() => {
    isOver = true;
  });
  console.write("abc");
  await new Promise(setImmediate);
  assert.equal(isOver, false);
  console.write("x\r");
  await pressed;
  // A console that is closed brings no Enter; the time still ends it.
  const closed = new PassThrough();
  closed.end();
  await enterPressed(closed, 5);
  const hungUp = new PassThrough();
  const waiting = enterPressed(hungUp, 5);
  hungUp.destroy(new Error("read EIO"));
  await waiting;
});
