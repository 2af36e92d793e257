import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTRACT_VERSION } from "../../../../agent/contract.ts";
import { EventLog } from "../../../../server/events.ts";
import { Enrolment, OLD_TOKENS_MS } from "../../../../server/hosts/enrolment/enrolment.ts";
import { Core, machine } from "../../core.ts";
import { testDatabase } from "../../databases.ts";

const MAC = machine(1).mac;
const asker = (number: number) => machine(number, { contract: CONTRACT_VERSION });
const kinds = async (core: Core, kind: string) => (await core.events.list()).filter((event) => event.kind === kind);

/** Everything that is written down and shown, as one text. */
async function allTold(core: Core): Promise<string> {
  const events = await core.events.list();
  const hosts = await core.hosts.list();
  return JSON.stringify({ events, hosts });
}

test("a token is made once, for all who ask and for every server of the site", async () => {
  const db = await testDatabase();
  const servers = [0, 1].map(() => new Enrolment({ db, events: new EventLog(db, () => 5_000), now: () => 5_000 }));
  const [one, other] = servers as [Enrolment, Enrolment];
  const tokens = await Promise.all([one.tokenFor(MAC), other.tokenFor(MAC), one.tokenFor(MAC), other.tokenFor(MAC)]);
  assert.equal(new Set(tokens).size, 1);
  assert.equal((await one.state()).token, (await other.state()).token);
  assert.equal((await db.selectFrom("enrolment").selectAll().execute()).length, 1);
});

test("renewed: the tokens of before are good for their time, and then no more; who wants less ends older ones, too", async () => {
  const core = await Core.open();
  const { enrolment } = core;
  const first = await enrolment.tokenFor(MAC);
  const state = await enrolment.renew(OLD_TOKENS_MS);
  assert.equal(state.oldUntilMs, core.nowMs + OLD_TOKENS_MS);
  const second = await enrolment.tokenFor(MAC);
  assert.notEqual(second, first);
  const is = (token: string) => enrolment.check(token, { mac: MAC });
  assert.deepEqual([await is(first), await is(second)], ["old", "right"]);
  core.nowMs += OLD_TOKENS_MS;
  assert.deepEqual([await is(first), await is(second)], ["wrong", "right"]);
  assert.equal((await enrolment.state()).oldUntilMs, null);

  await enrolment.renew(OLD_TOKENS_MS);
  await enrolment.renew(0);
  assert.equal(await is(second), "wrong", "the second renewal ends what the first one left");
  assert.equal(await is(await enrolment.tokenFor(MAC)), "right");
});

test("wrong tokens: an event a minute for each address, not of what was shown, and a bound on how many are looked at", async () => {
  const core = await Core.open();
  const { enrolment } = core;
  const right = await enrolment.tokenFor(MAC);
  const guess = "guessed-by-somebody-xx";
  for (let tries = 0; tries < 60; tries += 1) {
    assert.equal(await enrolment.check(guess, { mac: MAC, address: "10.77.0.9" }), "wrong");
  }
  const told = await kinds(core, "enrolment.wrong");
  assert.deepEqual(
    told.map(({ data }) => data),
    [{ mac: MAC, from: "10.77.0.9" }],
  );
  assert.equal(await enrolment.check(right, { mac: MAC, address: "10.77.0.9" }), "wrong", "too many came from there");
  assert.equal(await enrolment.check(right, { mac: MAC, address: "10.77.0.8" }), "right", "others are no matter of it");
  // A room behind one router goes on asking meanwhile: right ones that are not looked at keep nobody out.
  for (let second = 0; second < 7; second += 1) {
    await enrolment.check(right, { mac: MAC, address: "10.77.0.9" });
    core.nowMs += 1_000;
  }
  assert.equal(await enrolment.check(right, { mac: MAC, address: "10.77.0.9" }), "right");
});

test("many addresses with wrong tokens are some events, not one each", async () => {
  const core = await Core.open();
  for (let last = 0; last < 200; last += 1)
    await core.enrolment.check("wrong-token-of-a-room", { mac: MAC, address: `10.0.0.${last}` });
  assert.equal((await kinds(core, "enrolment.wrong")).length, 20);
});

test('"token": who shows its own is approved at once; others wait, say why, and go on when a person says so', async () => {
  const core = await Core.open({ approve: "token" });
  const own = await core.enrolment.tokenFor(MAC);
  const first = await core.hosts.register(asker(1), "10.77.0.1", { enrolment: own });
  const second = await core.hosts.register(asker(2), "10.77.0.2", { enrolment: own });
  const third = await core.hosts.register(machine(3));
  const of = async (id: string) => (await core.hosts.ofId(id))!;
  assert.deepEqual([(await of(first.hostId)).isApproved, (await of(first.hostId)).lacks], [true, null]);
  assert.deepEqual([(await of(second.hostId)).isApproved, (await of(second.hostId)).lacks], [false, "wrong"]);
  assert.deepEqual([(await of(third.hostId)).isApproved, (await of(third.hostId)).lacks], [false, "too-old"]);

  await assert.rejects(core.deploys.create({ image: "lab-debian", to: ["lab-02"] }), { code: "HOST_UNAPPROVED" });
  const waits = await core.orders.orderFor(second.hostId, "10.77.0.1");
  assert.equal(waits.kind, "wait");
  assert.match(
    waits.reason,
    /enrolment token that it showed is not, or no longer, this site's: bootcast host approve lab-02/,
  );
  const overview = core.hostParts().overview;
  const [view] = await overview.of([await of(third.hostId)]);
  assert.equal(view?.status.state, "new");
  assert.match(view?.status.detail ?? "", /boot image is too old/);

  await core.desk.approve(["lab-02"]);
  assert.deepEqual([(await of(second.hostId)).isApproved, (await of(second.hostId)).lacks], [true, null]);
  core.nowMs += 120_000;
  await core.hosts.register(asker(2), "10.77.0.2", { enrolment: own });
  assert.equal((await of(second.hostId)).isApproved, true, "a person's word stands");

  // The third one gets a newer boot image.
  await core.hosts.register(asker(3), "10.77.0.3", { enrolment: await core.enrolment.tokenFor(asker(3).mac) });
  assert.equal((await of(third.hostId)).isApproved, true);
  assert.equal((await kinds(core, "host.approved")).length, 2);
  assert.equal((await allTold(core)).includes(own), false, "no token is told");
});

test('"token": a host that showed its own is not taken over without; a person may let it in', async () => {
  const core = await Core.open({ approve: "token" });
  const enrolment = await core.enrolment.tokenFor(MAC);
  const { hostId, token } = await core.hosts.register(asker(1), "10.77.0.1", { enrolment });
  core.nowMs += 3_600_000;
  for (let tries = 0; tries < 3; tries += 1) {
    await assert.rejects(core.hosts.register(asker(1), "10.77.0.66"), { code: "ENROLMENT_NEEDED" });
  }
  await core.events.change(async () => undefined);
  assert.equal((await kinds(core, "host.refused")).length, 1, "told once");
  assert.equal(await core.hosts.isToken(hostId, token), true, "its key goes on");
  const host = (await core.hosts.ofId(hostId))!;
  assert.deepEqual([host.isApproved, host.lacks], [true, "none"]);
  await core.desk.approve([host.name]);
  await core.hosts.register(asker(1), "10.77.0.66");
  assert.equal((await core.hosts.ofId(hostId))?.isApproved, true);
});

test("a second machine gets nothing of one that is at work, and people are told when it is certain", async () => {
  const core = await Core.open();
  const enrolment = await core.enrolment.tokenFor(MAC);
  const { hostId, token } = await core.hosts.register(asker(1), "10.77.0.1", { enrolment });
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  await core.orders.orderFor(hostId, "10.77.0.1");
  for (const state of ["preflight", "erasing", "receiving"] as const) await core.report(hostId, state, deployId);
  // It is heard every second, which only the memory knows.
  for (let seconds = 0; seconds < 12; seconds += 3) {
    core.nowMs += 3_000;
    assert.equal((await core.report(hostId, "receiving", deployId, { percent: seconds })).proceed, true);
    await assert.rejects(core.hosts.register(asker(1), "10.77.0.66", { enrolment }), { code: "HOST_TWICE" });
  }
  await core.events.change(async () => undefined);
  const told = await kinds(core, "host.twice");
  assert.deepEqual(
    told.map(({ hostId: of, data }) => [of, data["why"], data["from"]]),
    [[hostId, "working", "10.77.0.66"]],
  );
  assert.equal(await core.hosts.isToken(hostId, token), true);
  assert.equal((await core.report(hostId, "receiving", deployId)).proceed, true, "the first one goes on");

  // Its power is cut: when it is back it gets its place at once, and nobody speaks of two.
  core.nowMs += 12_000;
  const back = await core.hosts.register(asker(1), "10.77.0.1", { enrolment });
  assert.equal(back.hostId, hostId);
  assert.equal((await core.orders.orderFor(hostId, "10.77.0.1")).kind, "deploy");
  assert.equal((await kinds(core, "host.twice")).length, 1);
});

test("a machine that was switched off and on is not called two, whatever it shows", async () => {
  const core = await Core.open();
  const enrolment = await core.enrolment.tokenFor(MAC);
  const { hostId } = await core.hosts.register(asker(1), "10.77.0.1", { enrolment });
  await core.hosts.touch(hostId, core.nowMs);
  // It starts from a stick without a token: it waits until the one before is silent for long enough.
  for (let seconds = 0; seconds < 60; seconds += 10) {
    await assert.rejects(core.hosts.register(asker(1), "10.77.0.1"), { code: "HOST_TWICE" });
    core.nowMs += 10_000;
  }
  assert.equal((await core.hosts.register(asker(1), "10.77.0.1")).hostId, hostId);
  await core.events.change(async () => undefined);
  assert.equal((await kinds(core, "host.twice")).length, 0);
});

test("the one whose place was taken speaks on: two machines, told once; its own last words are none", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1));
  const same = await core.hosts.register(machine(1), "10.77.0.1", { key: first.token });
  core.nowMs += 5_000;
  assert.equal(await core.hosts.isToken(first.hostId, first.token), false, "it registered again itself");
  core.nowMs += 60_000;
  const second = await core.hosts.register(machine(1), "10.77.0.66");
  core.nowMs += 1_000;
  assert.equal(await core.hosts.isToken(second.hostId, same.token), false, "a request that was under way");
  core.nowMs += 5_000;
  for (let times = 0; times < 3; times += 1) {
    assert.equal(await core.hosts.isToken(second.hostId, same.token), false);
    await core.events.change(async () => undefined);
  }
  assert.equal(await core.hosts.isToken(second.hostId, "guessed"), false);
  await core.events.change(async () => undefined);
  const told = await kinds(core, "host.twice");
  assert.deepEqual(
    told.map(({ hostId, data }) => [hostId, data["why"]]),
    [[first.hostId, "replaced"]],
  );
});
