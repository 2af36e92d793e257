import assert from "node:assert/strict";
import { test } from "node:test";
import { runAgent } from "../../agent/run.ts";
import { Fault } from "../../fault.ts";
import { assertUntouched, broken, fails, lost, order, room } from "./run-room.ts";

test("a server on the command line that does not answer: mDNS finds another", async () => {
  let registrations = 0;
  const all = room({
    change: (ports) => ({
      connect: (url) => ({
        ...ports.connect(url),
        register: async () => {
          registrations += 1;
          if (url.hostname === "10.77.0.1") throw lost();
          return { hostId: "7", name: "lab-07", token: "t" };
        },
      }),
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert(all.happened.includes("mdns"));
  assert(registrations > 2);
});

test("no server at all: the machine says so and restarts", async () => {
  const all = room({
    client: {
      register: async () => {
        throw lost();
      },
    },
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.equal(all.happened.at(-1), "reboot");
});

test("a server that is gone while waiting is looked for again; one that forgot the host is registered with again", async () => {
  for (const code of ["SERVER_UNREACHABLE", "TOKEN_WRONG"]) {
    let asked = 0;
    const all = room({
      client: {
        order: async () => {
          asked += 1;
          if (asked < 30 && (code === "SERVER_UNREACHABLE" || asked === 1)) {
            throw new Fault(code, { what: "No.", why: "No.", fix: "No." });
          }
          return order;
        },
      },
    });
    assert.equal(await runAgent(all.ports), "done", code);
    const registered = all.happened.filter((line) => line.startsWith("screen registering"));
    assert(registered.length >= 2, code);
  }
});

test("lost reports in between do not stop a restore; the last one is tried again", async () => {
  let tries = 0;
  const all = room({
    answer: ({ state }) => {
      if (state === "done") return ++tries < 4 ? lost() : { proceed: true, reason: "" };
      return ["receiving", "verifying", "naming", "finishing", "rebooting"].includes(state)
        ? lost()
        : { proceed: true, reason: "" };
    },
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.reports.at(-1)?.state, "done");
  assert.equal(tries, 4);
});

test("a server that never hears the last word does not keep the machine", async () => {
  const all = room({ answer: ({ state }) => (state === "done" ? lost() : { proceed: true, reason: "" }) });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.happened.at(-1), "reboot");
});

test("a failure that nobody heard is said again while it stands on the screen, and once", async () => {
  const all = room({
    change: () => ({ verify: fails }),
    // The network is what failed; after five minutes somebody mends it.
    answer: ({ state }) =>
      state === "failed" && all.ports.clock.now() < 300_000 ? lost() : { proceed: true, reason: "" },
  });
  assert.equal(await runAgent(all.ports), "failed");
  const heard = all.reports.filter(({ state }) => state === "failed");
  assert.deepEqual(
    heard.map(({ deployId, fault }) => [deployId, fault?.code]),
    [["12", "BROKEN"]],
  );
  assert.equal(all.happened.at(-1), "reboot");
});

test("what a script said reaches a server that is just starting again", async () => {
  const script = { name: "licence", text: "exit 0\n", mostSeconds: 60 };
  let tries = 0;
  const all = room({
    orders: [{ ...order, scripts: { list: [script], permit: "signed" } }],
    answer: (report) => {
      if (report.script === undefined) return { proceed: true, reason: "" };
      tries += 1;
      return tries < 4 ? lost() : { proceed: true, reason: "" };
    },
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.reports.filter((report) => report.script?.output === "hello").length, 1);
});

test("a machine without a network says so", async () => {
  const all = room({
    change: () => ({
      network: () => {
        throw broken;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
});
