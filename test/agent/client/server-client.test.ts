import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { decodeAnswer } from "../../../agent/client/ask.ts";
import { connect } from "../../../agent/client/server-client.ts";
import { type Inventory, Order, Registration, ReportAnswer } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

/** A server on loopback that answers as told, and a client of it. */
async function serverAnd(t: { after(end: () => Promise<void>): void }, answer: Answer) {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => answer(request, Buffer.concat(parts).toString(), response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  t.after(async () => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return client;
}

const host: Registration = { hostId: "a/b", name: "lab-07", token: "secret" };

test("the requests are those of the contract", async (t) => {
  const seen: string[] = [];
  const client = await serverAnd(t, ({ method, url, headers }, body, response) => {
    seen.push([method, url, headers.authorization ?? "-", body].join(" "));
    const answers = [host, { kind: "wait", reason: "r" }, { proceed: false, reason: "stop" }];
    response.end(JSON.stringify(answers[seen.length - 1]));
  });
  const inventory = { mac: "52:54:00:00:00:07" } as Inventory;
  assert.deepEqual(await client.register(inventory), host);
  assert.deepEqual(await client.order(host), { kind: "wait", reason: "r" });
  assert.deepEqual(await client.report(host, { state: "waiting", detail: "d" }), { proceed: false, reason: "stop" });
  assert.deepEqual(seen, [
    'POST /agent/v1/hosts - {"mac":"52:54:00:00:00:07"}',
    "GET /agent/v1/hosts/a%2Fb/order?waitSeconds=25 Bearer secret ",
    'POST /agent/v1/hosts/a%2Fb/reports Bearer secret {"state":"waiting","detail":"d"}',
  ]);
});

test("a registration shows the enrolment token, and the key that this agent has from before", async (t) => {
  const seen: unknown[] = [];
  const client = await serverAnd(t, ({ headers }, body, response) => {
    seen.push([headers.authorization, JSON.parse(body)]);
    response.end(JSON.stringify(host));
  });
  const inventory = { mac: "52:54:00:00:00:07" } as Inventory;
  await client.register(inventory, { enrolment: "shown-by-the-boot-text", before: host });
  await client.register(inventory, { enrolment: undefined, before: undefined });
  assert.deepEqual(seen, [
    ["Bearer secret", { ...inventory, enrolment: "shown-by-the-boot-text" }],
    [undefined, inventory],
  ]);
});

test("the server's fault arrives as it is", async (t) => {
  const fault = { code: "TOKEN_WRONG", what: "What.", why: "Why.", fix: "Fix." };
  const client = await serverAnd(t, (_request, _body, response) => {
    response.statusCode = 401;
    response.end(JSON.stringify(fault));
  });
  await assert.rejects(client.order(host), (error) => {
    assert.deepEqual((error as Fault).toJSON(), fault);
    return true;
  });
});

const wrong: { name: string; status: number; body: string }[] = [
  { name: "an error page", status: 502, body: "<html>Bad gateway</html>" },
  { name: "no JSON", status: 200, body: "{" },
  { name: "another shape", status: 200, body: '{"kind":"deploy"}' },
  { name: "an unknown order", status: 200, body: '{"kind":"erase","reason":"now"}' },
  { name: "an endless answer", status: 200, body: `"${"x".repeat(5 * 1024 * 1024)}"` },
];
for (const { name, status, body } of wrong) {
  test(`${name} is no order`, async (t) => {
    const client = await serverAnd(t, (_request, _body, response) => {
      response.statusCode = status;
      response.end(body);
    });
    await assert.rejects(client.order(host), { code: "SERVER_ANSWER" });
  });
}

test("a server that hangs up or is not there", async (t) => {
  const client = await serverAnd(t, (request) => request.socket.destroy());
  await assert.rejects(client.order(host), { code: "SERVER_UNREACHABLE" });
  const nobody = connect(new URL("http://127.0.0.1:1"));
  await assert.rejects(nobody.order(host), { code: "SERVER_UNREACHABLE" });
  await nobody.close();
});

test("any bytes are an answer of the contract or a Fault", () => {
  const anything = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({
        kind: fc.constantFrom("wait", "boot-disk", "deploy", "erase"),
        reason: fc.anything(),
        deployId: fc.anything(),
      })
      .map((value) => Buffer.from(JSON.stringify(value) ?? "")),
  );
  fc.assert(
    fc.property(anything, fc.constantFrom(Order, Registration, ReportAnswer), (bytes, schema) => {
      try {
        const value = decodeAnswer(schema, bytes, "/x");
        assert.equal(typeof value, "object");
      } catch (error) {
        assert(error instanceof Fault);
        assert.equal(error.code, "SERVER_ANSWER");
      }
    }),
  );
});
