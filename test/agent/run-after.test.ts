import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Afterwards,
  aliveText,
  type Order,
  type OrderTerms,
  scriptsDigest,
  scriptsText,
} from "../../agent/contract.ts";
import type { AgentPorts } from "../../agent/ports.ts";
import { runAgent } from "../../agent/run.ts";
import { Fault } from "../../fault.ts";
import { assertUntouched, lost, order, room, terms } from "./run-room.ts";

const script = { name: "licence", text: "exit 0\n", mostSeconds: 60 };
const scripted: Order = { ...order, scripts: { list: [script], permit: "signed" } };

test("scripts run after the naming, each is reported with what it said, and their permit is asked for first of all", async () => {
  const texts: string[] = [];
  const all = room({ orders: [scripted], change: () => ({ checkPermit: (text) => void texts.push(text) }) });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(texts[0], scriptsText({ mac: "52:54:00:00:00:07", deployId: "12", list: [script] }));
  assert.match(texts[1] ?? "", /^bootcast erase permit/);
  const steps = all.happened.filter((line) => /^(name|script|finish)/.test(line));
  assert.deepEqual(steps, ["name lab-07", "script licence", "finish"]);
  const told = all.reports.find((report) => report.script !== undefined);
  assert.deepEqual([told?.state, told?.script?.output], ["naming", "hello"]);
});

test("scripts that the server did not sign: nothing is run, and nothing is erased", async () => {
  const refusal = new Fault("SCRIPTS_NOT_PERMITTED", { what: "No.", why: "No.", fix: "No." });
  const all = room({
    orders: [scripted],
    change: () => ({
      checkPermit: (text) => {
        if (text.startsWith("bootcast scripts")) throw refusal;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "SCRIPTS_NOT_PERMITTED", disk: "untouched" }]);
});

test("a script that fails ends the order as failed, after what it said was reported, and the rest is not run", async () => {
  const all = room({
    orders: [{ ...order, scripts: { list: [script, { ...script, name: "second" }], permit: "signed" } }],
    change: (_, { happened }) => ({
      runScript: async ({ script: { name } }) => {
        happened.push(`script ${name}`);
        return { name, ended: "timed out", code: null, seconds: 60, output: "waiting for the licence server" };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "SCRIPT_FAILED", disk: "complete" }]);
  assert.deepEqual(
    all.happened.filter((line) => /^(script|finish)/.test(line)),
    ["script licence"],
  );
  assert.match(all.reports.at(-1)?.fault?.why ?? "", /waiting for the licence server/);
});

const leavings = ["load kernel", "start kernel", "power off", "enter", "reboot"];
const ends: readonly {
  afterwards: Afterwards;
  lines: readonly string[];
  what?: string;
  change?: Partial<AgentPorts>;
}[] = [
  { afterwards: "reboot", lines: ["report done", "reboot"] },
  // On a machine that does as it is told nothing follows.
  { afterwards: "power-off", lines: ["report done", "power off", "reboot"] },
  { afterwards: "kexec", lines: ["load kernel", "report done", "start kernel", "reboot"] },
  { afterwards: "wait", lines: ["report done", "enter", "reboot"] },
  {
    afterwards: "kexec",
    what: ", where the kernel cannot be loaded",
    change: { loadKernel: () => Promise.reject(new Fault("KEXEC_NO_KERNEL", { what: "None.", why: "No.", fix: "" })) },
    lines: ["report done", "reboot"],
  },
];
for (const { afterwards, lines, what = "", change } of ends) {
  test(`a restored machine is left as ordered: ${afterwards}${what}`, async () => {
    const terms: OrderTerms = { disk: "only", erase: "quick", confirmed: [], known: "", afterwards };
    const all = room({ orders: [{ ...order, terms } as Order], change: () => change ?? {} });
    assert.equal(await runAgent(all.ports), "done");
    assert.deepEqual(
      all.happened.filter((line) => leavings.includes(line) || line === "report done"),
      lines,
    );
  });
}

test("a machine that failed restarts, whatever was ordered for one that is restored", async () => {
  const terms: OrderTerms = { disk: "only", erase: "quick", confirmed: [], known: "", afterwards: "power-off" };
  const all = room({
    orders: [{ ...order, terms } as Order],
    change: () => ({ verify: () => Promise.reject(lost()) }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(
    all.happened.filter((line) => leavings.includes(line)),
    ["reboot"],
  );
});

const alive = { url: "http://10.77.0.1:8440/agent/v1/hosts/7/alive", token: "q".repeat(43), permit: "signed" };
const calling: Order = { ...order, alive } as Order;

for (const [what, callsWhenUp] of [
  ["a system that can call", true],
  ["none that can", false],
] as const) {
  test(`the restored system is to call: ${what}`, async () => {
    const texts: string[] = [];
    let named: unknown;
    const all = room({
      orders: [calling],
      change: () => ({
        checkPermit: (text) => void texts.push(text),
        async name(request) {
          named = request.alive;
          return { changes: 1, modules: [], notes: [], systems: [], callsWhenUp };
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
    const { url, token } = alive;
    assert.equal(texts[0], aliveText({ mac: "52:54:00:00:00:07", deployId: "12", url, token }));
    assert.match(texts[1] ?? "", /^bootcast erase permit/);
    assert.deepEqual(named, alive);
    const told = all.reports.filter((report) => report.callsWhenUp === true).map(({ state }) => state);
    assert.deepEqual(told, callsWhenUp ? ["rebooting", "done"] : []);
    assert.equal(
      all.happened.some((line) => line.includes("WARNING: no system on the disk can say")),
      !callsWhenUp,
    );
  });
}

test("a call that the server did not sign is not written, and nothing is erased", async () => {
  const all = room({
    orders: [calling],
    change: () => ({
      checkPermit: (text) => {
        if (text.startsWith("bootcast alive"))
          throw new Fault("ALIVE_NOT_PERMITTED", { what: "No.", why: "", fix: "" });
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
});

test("scripts or a call that were taken out on the way, and scripts of before, are found out before anything is written", async () => {
  const about = { mac: "52:54:00:00:00:07", deployId: "12" };
  const ends: OrderTerms = { ...terms, alive: true, scripts: scriptsDigest({ ...about, list: [script] }) };
  const scripts = { list: [script], permit: "signed" };
  const whole = { ...order, alive, scripts, terms: ends };
  assert.equal(await runAgent(room({ orders: [whole] }).ports), "done");
  const { alive: _, ...callless } = whole;
  const { scripts: __, ...scriptless } = whole;
  const older = { ...whole, scripts: { ...scripts, list: [{ ...script, text: "echo older" }] } };
  for (const changed of [callless, scriptless, older]) {
    const all = room({ orders: [changed] });
    assert.equal(await runAgent(all.ports), "failed");
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "ORDER_CHANGED", disk: "untouched" }]);
  }
});
