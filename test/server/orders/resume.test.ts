import assert from "node:assert/strict";
import { after, test } from "node:test";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { CONTRACT_VERSION, type Disk, type Order, permitText } from "../../../agent/contract.ts";
import { diskIdentity } from "../../../agent/disk/identity.ts";
import { restoreRuleOf } from "../../../agent/restore-rule.ts";
import { Core, machine, NETWORK } from "../core.ts";

const contract = CONTRACT_VERSION;
const [plain] = machine(0).disks;
const disk: Disk = { ...plain!, serial: "S1" };
const other: Disk = { ...plain!, serial: "S2" };

async function ordered(more: Partial<Parameters<Core["deploys"]["create"]>[0]> = {}, agent = contract) {
  const core = await Core.open();
  after(() => core.db.destroy());
  const { hostId } = await core.hosts.register(machine(1, { contract: agent, disks: [disk] }));
  const { deployId, plan } = await core.deploys.create({ image: "lab-debian", to: [hostId], ...more });
  const orderNow = async (): Promise<Extract<Order, { kind: "deploy" }>> => {
    const order = await core.orders.orderFor(hostId, NETWORK);
    assert(order.kind === "deploy", order.reason);
    return order;
  };
  /** Asks to begin as the agent does, and checks the permit against what it was told. */
  const begin = async (on: Disk | undefined, given?: Awaited<ReturnType<typeof orderNow>>) => {
    const order = given ?? (await orderNow());
    const challenge = newChallenge();
    const said = on === undefined ? {} : { disk: diskIdentity(on) };
    const { permit } = await core.report(hostId, "erasing", deployId, { challenge, ...said });
    const about = { challenge, mac: machine(1).mac, deployId: String(deployId), image: "lab-debian", imageVersion: 1 };
    checkPermit(permitText({ ...about, terms: order.terms }), permit, [core.siteKey.publicKey]);
    return restoreRuleOf(order.terms, on ?? disk);
  };
  return { core, hostId, deployId, plan, orderNow, begin };
}

test("a restore that had erased its disk goes on with it, as often as the power goes", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered();
  assert.equal((await orderNow()).terms?.resumes, undefined);
  assert.equal(await begin(disk), "erase");
  await core.report(hostId, "receiving", deployId);
  for (let start = 0; start < 3; start += 1) {
    assert.equal((await orderNow()).terms?.resumes, diskIdentity(disk));
    assert.equal(await begin(disk), "resume");
    if (start > 0) await core.report(hostId, "receiving", deployId);
  }
});

test("an erase that was interrupted is begun anew", async () => {
  const { orderNow, begin } = await ordered();
  await begin(disk);
  assert.equal((await orderNow()).terms?.resumes, undefined);
  assert.equal(await begin(disk), "erase");
});

test("what the device itself was to destroy is destroyed again: only the network says that it was", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered({ erase: "secure" });
  await begin(disk);
  await core.report(hostId, "receiving", deployId);
  assert.equal((await orderNow()).terms?.resumes, diskIdentity(disk));
  assert.equal(await begin(disk), "erase");
});

test("a machine that comes back with another disk erases nothing, even where the rule would take it", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered({ disk: "smallest" });
  await begin(disk);
  // Also before it was erased to its end: it may have died of that.
  const challenge = newChallenge();
  const answer = await core.report(hostId, "erasing", deployId, { challenge, disk: diskIdentity(other) });
  assert.deepEqual([answer.proceed, answer.permit], [false, undefined]);
  assert.match(answer.reason, /had begun another disk/);
  const row = await core.db.selectFrom("deploy_hosts").select(["state", "fault"]).executeTakeFirstOrThrow();
  assert.equal(row.state, "failed");
  assert.match(row.fault ?? "", /DISK_SWAPPED.*S1.*S2/s);
  // A person looks, and orders it again.
  await core.deploys.create({ image: "lab-debian", to: [hostId], disk: "smallest" });
  assert.equal((await orderNow()).terms?.resumes, undefined);
});

test("a disk without serial number and WWN cannot be told from others, and is erased again", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered();
  assert.equal(await begin(plain!), "erase");
  await core.report(hostId, "receiving", deployId);
  assert.equal((await orderNow()).terms?.resumes, undefined);
  assert.equal(restoreRuleOf({ disk: "only", erase: "quick", confirmed: [], known: "", resumes: "" }, plain!), "erase");
});

test("an order of its own is not another's: a new one erases what the last one left", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered();
  await begin(disk);
  await core.report(hostId, "receiving", deployId);
  await core.report(hostId, "failed", deployId, { fault: { code: "X", what: "x", why: "y", fix: "z" } });
  await core.deploys.create({ image: "lab-debian", to: [hostId] });
  assert.equal((await orderNow()).terms?.resumes, undefined);
});

test("an older agent is told nothing of it, erases again, and its permit fits", async () => {
  const { core, hostId, deployId, orderNow, begin } = await ordered({}, 3);
  assert.equal(await begin(undefined), "erase");
  await core.report(hostId, "receiving", deployId);
  assert.equal((await orderNow()).terms?.resumes, undefined);
  assert.equal(await begin(undefined), "erase");
});

test("how much is read back is a part of the order and of its permit; an older agent cannot obey", async () => {
  const { plan, orderNow, begin } = await ordered({ verify: "sampled=10%" });
  assert.match(plan.verify, /^sampled=10% seed=\d+$/);
  assert.equal((await orderNow()).terms?.verify, plan.verify);
  await begin(disk);
  const whole = await ordered({ verify: "whole" }, 3);
  assert.equal((await whole.orderNow()).terms?.verify, undefined);
  const old = await ordered({ verify: "none" }, 3);
  const answer = await old.core.orders.orderFor(old.hostId, NETWORK);
  assert.equal(answer.kind, "boot-disk");
  assert.match(answer.reason, /read back/);
  await assert.rejects(ordered({ verify: "half" }), { code: "VERIFY_RULE" });
});

test("what was kept and what came is in the host's events, and in the session", async () => {
  const { core, hostId, deployId, begin } = await ordered({ erase: "none" });
  assert.equal(await begin(disk), "keep");
  const kept = { bytes: 1e9, receivedBytes: 1e7 };
  await core.report(hostId, "receiving", deployId);
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.kept, null);
  await core.report(hostId, "verifying", deployId, { kept });
  assert.deepEqual((await core.sessions.show(deployId)).hosts[0]?.kept, kept);
  const rows = await core.db.selectFrom("events").select("data").where("kind", "=", "host.state").execute();
  assert.deepEqual(rows.map(({ data }) => JSON.parse(data).kept).filter(Boolean), [kept]);
});
