import assert from "node:assert/strict";
import { test } from "node:test";
import { runAgent } from "../../agent/run.ts";
import { lost, room } from "./run-room.ts";

const hear = { mark: "ab".repeat(16), group: "239.192.66.1", port: 7801, datagrams: 100, withinMs: 1000 };

function asked(more: Partial<Parameters<typeof room>[0]> = {}) {
  const answers = [{ kind: "wait" as const, reason: "nothing yet", hear }];
  const order = async () => answers.shift() ?? { kind: "boot-disk" as const, reason: "enough" };
  return room({ ...more, client: { order, ...more?.client } });
}

test("a waiting agent says that it listens, then what it heard, and waits on", async () => {
  const { ports, happened } = asked();
  assert.equal(await runAgent(ports), "not ordered");
  assert.deepEqual(
    happened.filter((line) => line.startsWith("hearing")),
    ["hearing ready", "hearing 99"],
  );
});

test("whatever goes wrong with it, the agent waits on and nothing has failed", async () => {
  const { ports, happened, failures } = asked();
  const broken = { ...ports, hearTest: () => Promise.reject(lost()) };
  assert.equal(await runAgent(broken), "not ordered");
  assert.deepEqual([happened.filter((line) => line.startsWith("hearing")), failures], [["hearing Lost."], []]);
  const deaf = asked({ client: { hearing: () => Promise.reject(lost()) } });
  assert.equal(await runAgent(deaf.ports), "not ordered");
  assert.deepEqual(deaf.failures, []);
});
