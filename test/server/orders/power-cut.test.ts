import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkPermit } from "../../../agent/client/permit.ts";
import type { AgentPorts } from "../../../agent/ports.ts";
import { runAgent } from "../../../agent/run.ts";
import { type HttpServer, listenTcp } from "../../../server/http/http.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { playedMachine, type Step, steps } from "../dhcp/played-machine.ts";
import { agentHttp } from "../http/agent-http.ts";

// The agent's own decisions and the server's, over HTTP, with permits that are signed; only the machine is played.

let core: Core;
let http: HttpServer;
let url: URL;

before(async () => {
  core = await Core.open();
  http = agentHttp(core);
  url = new URL(`http://127.0.0.1:${await listenTcp(http, "127.0.0.1", 0)}`);
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

const played = (number: number, happened: string[], cut?: Step) => playedMachine(number, happened, { core, url, cut });

for (const [index, step] of steps.entries()) {
  test(`the power goes at "${step}": the next start ends well, and no start after it erases`, async () => {
    const number = index + 1;
    const { hostId, name } = await core.hosts.register(machine(number));
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
    const happened: string[] = [];
    const first = played(number, happened, step);
    void runAgent(first.ports);
    await first.isCut;
    const isThrough = step === "reboot";
    const policy = await core.orders.bootPolicyOf(machine(number).mac);
    assert.deepEqual(policy, { boot: isThrough ? "disk" : "agent" });
    assert.deepEqual(happened, steps.slice(0, index + 1));
    if (!isThrough) {
      const again: string[] = [];
      // No machine is back sooner.
      core.nowMs += 15_000;
      assert.equal(await runAgent(played(number, again).ports), "done");
      assert.deepEqual(again, steps);
    }
    assert.equal((await core.sessions.show(deployId)).hosts[0]?.order, "done");
    assert.deepEqual(await core.orders.bootPolicyOf(machine(number).mac), { boot: "disk" });
    await core.hosts.register(machine(number));
    assert.notEqual((await core.orders.orderFor(hostId, NETWORK)).kind, "deploy");
  });
}

test("the order is replaced by another between the question and the erase: nothing is opened for the old one", async () => {
  const { name } = await core.hosts.register(machine(50));
  const old = await core.deploys.create({ image: "lab-debian", to: [name] });
  const happened: string[] = [];
  const { ports } = played(50, happened);
  let isReplaced = false;
  const describe: AgentPorts["describe"] = async (...about) => {
    const described = await ports.describe(...about);
    if (!isReplaced) {
      isReplaced = true;
      await core.deploys.cancel(old.deployId);
      await core.deploys.create({ image: "lab-debian", to: [name] });
    }
    return described;
  };
  assert.equal(await runAgent({ ...ports, describe }), "done");
  assert.deepEqual(happened, ["describe", ...steps], "the first is given up before the disk is opened");
  assert.equal((await core.sessions.show(old.deployId)).hosts[0]?.order, "cancelled");
});

test("a server with another key than the boot image's erases nothing, and its order ends", async () => {
  const { name } = await core.hosts.register(machine(51));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
  const happened: string[] = [];
  const { ports } = played(51, happened);
  const stranger = (await Core.open()).siteKey.publicKey;
  const outcome = await runAgent({
    ...ports,
    checkPermit: (text, permit) => checkPermit(text, permit, [stranger]),
  });
  assert.equal(outcome, "failed");
  assert.deepEqual(happened, ["describe", "ERASE_NOT_PERMITTED", "reboot"]);
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.fault?.code, "ERASE_NOT_PERMITTED");
  assert.deepEqual(await core.orders.bootPolicyOf(machine(51).mac), { boot: "disk" });
});
