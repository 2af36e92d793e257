import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { connect } from "../../../agent/client/server-client.ts";
import type { Hearing } from "../../../agent/contract.ts";
import { hearTest } from "../../../agent/stream/hearing-test.ts";
import { HearingTests } from "../../../server/doctor/hearing.ts";
import { sendHearingTest } from "../../../server/doctor/send-hearing-test.ts";
import { agentRoutes } from "../../../server/http/agent-api.ts";
import { hearingRoute } from "../../../server/http/hearing-route.ts";
import { createHttp } from "../../../server/http/http.ts";
import { Core, machine } from "../core.ts";

const GROUP = "239.192.66.9";
type Options = ConstructorParameters<typeof HearingTests>[0];

async function site(t: TestContext, more: Partial<Options> = {}) {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const { hostId } = await core.hosts.register(machine(1));
  await core.report(hostId, "waiting", undefined);
  const target = () => ({ group: GROUP, port: 7801 });
  const hearing = new HearingTests({ events: core.events, target, send: async () => undefined, ...more });
  const host = async () => (await core.hosts.find("lab-01"))!;
  return { core, hostId, hearing, host };
}

for (const [name, said, found] of [
  ["all of it", [{}, { heard: 100 }], ["ok", "ok"]],
  ["as much as a good cable lets through", [{}, { heard: 98 }], ["ok", "ok"]],
  ["less", [{}, { heard: 97 }], ["ok", "warn"]],
  ["nothing", [{}, { heard: 0 }], ["ok", "fail"]],
  ["it cannot join", [{ problem: "There is no card." }], ["ok", "fail"]],
  ["nothing, and says no more", [{}], ["ok", "warn"]],
  ["nobody is there", [], ["warn"]],
] as [string, Partial<Hearing>[], string[]][]) {
  test(`what a host hears: ${name}`, async (t) => {
    const { hostId, hearing, host } = await site(t, { readyWithinMs: 50, saysWithinMs: 100 });
    const asked = hearing.ask(await host());
    const given = hearing.of(hostId)!;
    assert.equal(hearing.of(hostId), undefined, "it is asked once");
    hearing.hear("h-other", { mark: given.mark, heard: 1 }, "127.0.0.1");
    hearing.hear(hostId, { mark: "0".repeat(32), heard: 1 }, "127.0.0.1");
    for (const word of said) hearing.hear(hostId, { mark: given.mark, ...word }, "127.0.0.1");
    const findings = await asked;
    assert.deepEqual(
      findings.map(({ status }) => status),
      found,
    );
    for (const { status, fix } of findings) assert.equal(fix !== undefined, status !== "ok");
    hearing.hear(hostId, { mark: given.mark, heard: 1 }, "127.0.0.1");
  });
}

test("a host that was slow to listen has all of its time to hear", async (t) => {
  const { hostId, hearing, host } = await site(t);
  const waiting = await host();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = hearing.ask(waiting);
  const { mark, withinMs } = hearing.of(hostId)!;
  t.mock.timers.tick(4_500);
  hearing.hear(hostId, { mark }, "127.0.0.1");
  t.mock.timers.tick(withinMs);
  hearing.hear(hostId, { mark, heard: 100 }, "127.0.0.1");
  assert.deepEqual(
    (await asked).map(({ status }) => status),
    ["ok", "ok"],
  );
});

test("only a host that waits is asked, and one at a time; what cannot be sent is told", async (t) => {
  const send = () => Promise.reject(new Error("no route"));
  const { core, hostId, hearing, host } = await site(t, { send });
  const asked = hearing.ask(await host());
  await assert.rejects(hearing.ask(await host()), { code: "HEARING_RUNS" });
  const { mark } = hearing.of(hostId)!;
  hearing.hear(hostId, { mark }, "127.0.0.1");
  assert.match((await asked)[1]!.detail, /could not send: no route/);
  await core.report(hostId, "failed", undefined);
  await assert.rejects(hearing.ask(await host()), { code: "HOST_NOT_WAITING", why: /"failed"/ });
});

test("the whole way: an agent that holds its question is asked, joins the group, and hears what is sent there", async (t) => {
  const free = createSocket("udp4").bind(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  free.close();
  const { core, hostId, hearing, host } = await site(t, {
    target: () => ({ group: GROUP, port }),
    send: (test, address) => sendHearingTest(test, address, 0),
  });
  const { hosts, orders, reports, alive, events, log } = core;
  const interfaceAddressOf = () => "127.0.0.1";
  const http = createHttp(log);
  t.after(() => http.close());
  agentRoutes(http, { hosts, orders, reports, alive, events, hearing, now: () => core.nowMs, interfaceAddressOf });
  hearingRoute(http, { hosts, hearing, interfaceAddressOf });
  await http.listen({ host: "127.0.0.1", port: 0 });
  const client = connect(new URL(`http://127.0.0.1:${(http.server.address() as AddressInfo).port}`));
  t.after(() => client.close());
  const registration = await client.register(machine(1));
  assert.equal(registration.hostId, hostId);
  await client.report(registration, { state: "waiting", detail: "" });
  const answer = client.order(registration);
  const asked = hearing.ask(await host());
  const order = await answer;
  assert(order.kind === "wait" && order.hear !== undefined);
  const { mark } = order.hear;
  const heard = await hearTest(order.hear, "127.0.0.1", () => client.hearing(registration, { mark }));
  await client.hearing(registration, { mark, heard });
  assert(heard > 0, "loopback has no switch");
  assert.deepEqual((await asked)[0]?.status, "ok");
  const stranger = { ...registration, token: "x".repeat(43) };
  await assert.rejects(client.hearing(stranger, { mark, heard: 1 }), { code: "TOKEN_WRONG" });
});

test("no agent joins a group that is not one for streams, whoever asks", async () => {
  const test = { mark: "ab".repeat(16), group: "224.0.0.251", port: 5353, datagrams: 1, withinMs: 100 };
  await assert.rejects(
    hearTest(test, "127.0.0.1", async () => undefined),
    { code: "GROUP_REFUSED" },
  );
});
