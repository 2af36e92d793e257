import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import pino from "pino";
import type { HeardDate } from "../../../agent/client/ask.ts";
import { connect } from "../../../agent/client/server-client.ts";
import type { Inventory } from "../../../agent/contract.ts";
import { rightTime, setClock } from "../../../agent/machine/clock-from-server.ts";
import type { Tools } from "../../../agent/machine/tools.ts";

const noon = Date.UTC(2026, 10, 22, 12, 0, 0);
const heard: HeardDate = { date: new Date(noon).toUTCString(), askedAtMs: 1000, answeredAtMs: 1200 };

test("a clock that is wrong is set to the server's date, half of the way and half a second later", () => {
  assert.equal(rightTime(heard, Date.UTC(1970, 0, 1)), noon + 600);
  assert.equal(rightTime(heard, noon + 3600_000), noon + 600);
});

test("a clock that is right to the second stays", () => {
  for (const wall of [noon - 1000, noon, noon + 600, noon + 2500]) assert.equal(rightTime(heard, wall), undefined);
  assert.equal(rightTime(heard, noon + 2700), noon + 600);
});

test("a date that cannot be believed is not followed", () => {
  const wall = Date.UTC(2026, 0, 1);
  for (const date of ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "-1"]) {
    assert.equal(rightTime({ ...heard, date }, wall), undefined, date);
  }
  assert.equal(rightTime({ ...heard, answeredAtMs: 900 }, wall), undefined);
  assert.equal(rightTime({ ...heard, answeredAtMs: 9_000 }, wall), undefined);
});

test("the date comes with the answer to a registration, and is given to date(1)", async (t) => {
  const server = createServer((request, response) => {
    response.setHeader("date", "Sun, 22 Nov 2099 12:00:00 GMT");
    response.setHeader("content-type", "application/json");
    response.end(request.url === "/agent/v1/hosts" ? '{"hostId":"h1","name":"lab-01","token":"t"}' : "{}");
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  const dates: HeardDate[] = [];
  const client = connect(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), (one) =>
    dates.push(one),
  );
  t.after(() => client.close());
  await client.register({ mac: "52:54:00:00:00:07" } as Inventory);
  await assert.rejects(client.report({ hostId: "h1", name: "lab-01", token: "t" }, { state: "waiting", detail: "" }));
  assert.equal(dates.length, 1);

  const ran: string[][] = [];
  const tools: Tools = {
    run: async (command, args) => {
      ran.push([command, ...args]);
      return "";
    },
  };
  await setClock(dates[0]!, tools, pino({ level: "silent" }));
  assert.equal(ran.length, 1);
  const [command, utc, set, at] = ran[0]!;
  assert.deepEqual([command, utc, set], ["date", "-u", "-s"]);
  const seconds = Number(at?.slice(1));
  assert(seconds >= Date.UTC(2099, 10, 22, 12) / 1000 && seconds < Date.UTC(2099, 10, 22, 12, 0, 10) / 1000, at);
  // A date(1) that fails stops nothing.
  const broken: Tools = { run: () => Promise.reject(new Error("no such program")) };
  await setClock(dates[0]!, broken, pino({ level: "silent" }));
});
