import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { Registration } from "../../../agent/contract.ts";
import { agentRoutes } from "../../../server/http/agent-api.ts";
import { createHttp } from "../../../server/http/http.ts";
import { Core, machine, NETWORK } from "../core.ts";

test("servers with very many addresses do not keep a machine from registering", async () => {
  const core = await Core.open();
  const http = createHttp(core.log);
  const { hosts, orders, reports, alive, events } = core;
  const othersFor = () => Array.from({ length: 40 }, (_, at) => `http://10.77.${at}.2:8440`);
  const now = () => core.nowMs;
  agentRoutes(http, { hosts, orders, reports, alive, events, now, interfaceAddressOf: () => NETWORK, othersFor });
  const answer = await http.inject({ method: "POST", url: "/agent/v1/hosts", payload: machine(1) });
  assert.equal(answer.statusCode, 200);
  assert(Value.Check(Registration, answer.json()), answer.body);
  await http.close();
  await core.db.destroy();
});
