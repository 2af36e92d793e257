import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Fault } from "../../../fault.ts";
import type { Database } from "../../../server/db/database.ts";
import { StreamOwners } from "../../../server/leases/stream-owners.ts";
import { Core, machine } from "../core.ts";
import { testDatabase } from "../databases.ts";

const TRAITS = "manifest 1, port 7801, plain";

/** A server of several, with its address in the room's network. */
class Played {
  readonly core: Core;
  readonly address: string;
  traits: string | Fault = TRAITS;
  /** What happens while it looks at what it has. */
  meanwhile: (() => Promise<unknown>) | undefined;

  constructor(db: Database, siteKey: Core["siteKey"] | undefined, id: string, address: string) {
    this.address = address;
    this.core = new Core(db, {
      ...(siteKey === undefined ? {} : { siteKey }),
      owners: ({ events }) =>
        new StreamOwners({
          ...{ db, events, serverId: id },
          addresses: () => [address],
          networkOf: (own) => own.replace(/\d+$/, "0/24"),
          traitsOf: async () => {
            await this.meanwhile?.();
            if (this.traits instanceof Fault) throw this.traits;
            return this.traits;
          },
        }),
    });
  }

  orderFor(hostId: string) {
    return this.core.orders.orderFor(hostId, this.address);
  }

  kinds = async (beginning: string) =>
    (await this.core.events.list()).map(({ kind }) => kind).filter((kind) => kind.startsWith(beginning));
}

/** Two servers in one network, and hosts that both know. */
async function room(t: TestContext, otherAddress = "10.77.0.2") {
  const db = await testDatabase();
  t.after(() => db.destroy());
  for (const id of ["a", "b"]) {
    const row = { id, incarnation: id, beat: 1, name: `server-${id}`, version: "1", pid: 1, site_key: "k" };
    await db
      .insertInto("servers")
      .values({ ...row, addresses: "[]", is_leading: 0, has_ended: 0, started_at_ms: 1, seen_at_ms: 1 })
      .execute();
  }
  const a = new Played(db, undefined, "a", "10.77.0.1");
  const b = new Played(db, a.core.siteKey, "b", otherAddress);
  const hosts: string[] = [];
  for (const number of [1, 2, 3]) {
    hosts.push((await a.core.hosts.register(machine(number, { contract: number === 3 ? 4 : 5 }))).hostId);
  }
  const isGone = (id: string) => db.updateTable("servers").set({ has_ended: 1 }).where("id", "=", id).execute();
  const owner = async () =>
    (await db.selectFrom("deploy_streams").select(["stream_id", "server_id", "interface_address"]).execute()).map(
      (row) => [row.stream_id, row.server_id, row.interface_address],
    );
  const [one, two, old] = hosts as [string, string, string];
  return { db, a, b, one, two, old, isGone, owner };
}

test("who asks one server for an order is given the stream that the other one sends; an older agent is not sent away", async (t) => {
  const { a, b, one, two, old, owner } = await room(t);
  await a.core.deploys.create({ image: "lab-debian", to: "any" });
  const first = await a.orderFor(one);
  const second = await b.orderFor(two);
  assert(first.kind === "deploy" && second.kind === "deploy");
  assert.equal(second.streamId, first.streamId);
  assert.deepEqual([a.core.opened.length, b.core.opened.length], [1, 0]);
  assert.deepEqual(await owner(), [[first.streamId, "a", "10.77.0.1"]]);
  const third = await b.orderFor(old);
  assert(third.kind === "deploy");
  assert.equal(b.core.opened.length, 1);
});

test("a server in another network sends a stream of its own", async (t) => {
  const { a, b, one, two } = await room(t, "10.78.0.1");
  await a.core.deploys.create({ image: "lab-debian", to: "any" });
  await a.orderFor(one);
  await b.orderFor(two);
  assert.deepEqual([a.core.opened.length, b.core.opened.length], [1, 1]);
});

test("what a server sends is left to it while it is there; when it is gone the other goes on with it once, under its id", async (t) => {
  const { a, b, one, isGone, owner } = await room(t);
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  const order = await a.orderFor(one);
  assert(order.kind === "deploy");
  await a.core.report(one, "preflight", deployId);
  await b.core.streams.resume();
  assert.equal(b.core.opened.length, 0);
  await isGone("a");
  await Promise.all([b.core.streams.resume(), b.core.streams.resume()]);
  await b.core.streams.resume();
  const { group, streamId, interfaceAddress } = b.core.opened[0]!;
  assert.deepEqual(
    [b.core.opened.length, group, streamId, interfaceAddress],
    [1, "239.192.66.1", order.streamId, "10.77.0.2"],
  );
  assert.deepEqual(await owner(), [[order.streamId, "b", "10.77.0.2"]]);
  assert.deepEqual(await b.kinds("stream."), ["stream.taken-over"]);
  const [taken] = (await b.core.events.list()).filter(({ kind }) => kind === "stream.taken-over");
  assert.deepEqual(taken!.data, { streamId: order.streamId, from: "server-a", by: "server-b" });
});

test("an order that ends while its stream is taken over leaves no stream behind", async (t) => {
  const { a, b, one, isGone } = await room(t);
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  const order = await a.orderFor(one);
  assert(order.kind === "deploy");
  await a.core.report(one, "preflight", deployId);
  await isGone("a");
  b.meanwhile = async () => {
    b.meanwhile = undefined;
    await b.core.deploys.cancel(deployId);
    await b.core.streams.closeIdle(deployId);
  };
  await b.core.streams.resume();
  assert.deepEqual([b.core.opened.length, b.core.closed], [1, [order.streamId]]);
});

test("a stream that cannot go on elsewhere says why, once; when it can, it does", async (t) => {
  const { a, b, one, isGone, owner } = await room(t);
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  const order = await a.orderFor(one);
  assert(order.kind === "deploy");
  await a.core.report(one, "preflight", deployId);
  await isGone("a");
  b.traits = new Fault("IMAGE_MISSING", { what: "No lab-debian.", why: "Never imported.", fix: "Copy the store." });
  for (const _ of [1, 2]) await b.core.streams.resume();
  assert.deepEqual(await b.kinds("stream."), ["stream.not-taken"]);
  b.traits = "manifest 2, port 7801, plain";
  for (const _ of [1, 2]) await b.core.streams.resume();
  const refused = (await b.core.events.list()).filter(({ kind }) => kind === "stream.not-taken");
  assert.deepEqual(
    refused.map(({ data }) => (data["fault"] as Fault).code),
    ["IMAGE_MISSING", "STREAM_DIFFERS"],
  );
  assert.deepEqual(await owner(), [[order.streamId, "a", "10.77.0.1"]]);
  b.traits = TRAITS;
  await b.core.streams.resume();
  assert.deepEqual(await owner(), [[order.streamId, "b", "10.77.0.2"]]);
});

test("without an address in its network a stream is left to others", async (t) => {
  const { a, b, one, isGone } = await room(t, "10.78.0.1");
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  await a.orderFor(one);
  await a.core.report(one, "preflight", deployId);
  await isGone("a");
  await b.core.streams.resume();
  const [told] = (await b.core.events.list()).filter(({ kind }) => kind === "stream.not-taken");
  assert.equal((told!.data["fault"] as Fault).code, "NETWORK_ELSEWHERE");
});

test("a stream ends when no order of it has hosts at work, whichever server they told; then it is nobody's", async (t) => {
  const { db, a, b, one, two, owner } = await room(t);
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  const { deployId: later } = await b.core.deploys.create({ image: "lab-debian", to: [two] });
  const order = await a.orderFor(one);
  const other = await b.orderFor(two);
  assert(order.kind === "deploy" && other.kind === "deploy" && order.streamId === other.streamId);
  await a.core.report(one, "preflight", deployId);
  await b.core.report(two, "preflight", later);
  const end = async (hostId: string, id: number) => {
    for (const state of ["erasing", "receiving", "verifying", "done"] as const) await b.core.report(hostId, state, id);
    await a.core.streams.closeIdle(id);
  };
  await end(one, deployId);
  // Its second order came by the other server.
  assert.deepEqual(a.core.closed, []);
  await end(two, later);
  assert.deepEqual(a.core.closed, [order.streamId]);
  assert.deepEqual(new Set((await owner()).map(([, server]) => server)), new Set([null]));
  assert.equal((await db.selectFrom("deploys").select("id").where("state", "=", "active").execute()).length, 0);
});

test("a person does not want to wait: the server that sends is told, whichever was asked", async (t) => {
  const { a, b, one } = await room(t);
  const { deployId } = await a.core.deploys.create({ image: "lab-debian", to: [one] });
  await a.orderFor(one);
  await b.core.conductor.start(deployId);
  assert.deepEqual(await b.kinds("deploy.start"), ["deploy.start-asked"]);
  await a.core.streams.startNow(deployId);
  assert.equal(a.core.startedNow.length, 1);
});
