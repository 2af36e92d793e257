import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { hostRoutes } from "../../../server/api/host-routes.ts";
import { SharedAnswers } from "../../../server/api/shared-answers.ts";
import { createHttp } from "../../../server/http/http.ts";
import { Core, machine } from "../core.ts";

/** Makers that end when they are told to, and a clock that only they move. */
function table() {
  let nowMs = 0;
  const rests: { readonly ms: number; readonly end: () => void }[] = [];
  const shared = new SharedAnswers({
    now: () => nowMs,
    sleep: (ms) => new Promise((resolve) => rests.push({ ms, end: () => resolve(undefined) })),
  });
  const made: { end(tookMs: number): void; fail(): void }[] = [];
  const ask = async (key = "hosts") => {
    const answer = await shared.of(
      key,
      () =>
        new Promise((resolve, reject) => {
          const number = made.length + 1;
          made.push({
            end: (tookMs) => {
              nowMs += tookMs;
              resolve(Buffer.from(`${number}`));
            },
            fail: () => reject(new Error(`${number}`)),
          });
        }),
    );
    return String(answer);
  };
  return { ask, made, rests };
}

test("who asks while an answer is made gets the next one, and all of them the same", async () => {
  const { ask, made } = table();
  const first = [ask(), ask()];
  await turn();
  assert.equal(made.length, 1);
  const later = [ask(), ask(), ask()];
  await turn();
  assert.equal(made.length, 1, "the next one is not begun before this one is done");
  made[0]!.end(1);
  assert.deepEqual(await Promise.all(first), ["1", "1"]);
  await turn();
  assert.equal(made.length, 2);
  made[1]!.end(1);
  assert.deepEqual(await Promise.all(later), ["2", "2", "2"], "none is older than its question");
});

test("a long answer is followed by a rest, a short one by none", async () => {
  const { ask, made, rests } = table();
  const long = ask();
  await turn();
  made[0]!.end(40);
  await long;
  const waiting = [ask(), ask()];
  const other = ask("sessions");
  await turn();
  assert.deepEqual(
    rests.map(({ ms }) => ms),
    [80],
  );
  assert.equal(made.length, 2, "only what is something else is made");
  made[1]!.end(1);
  assert.equal(await other, "2");
  rests[0]!.end();
  await turn();
  assert.equal(made.length, 3);
  made[2]!.end(5_000);
  assert.deepEqual(await Promise.all(waiting), ["3", "3"]);
  await turn();
  assert.equal(rests[1]?.ms, 500, "nobody waits for long");
  rests[1]!.end();
  await turn();
  const short = ask();
  await turn();
  made[3]!.end(2);
  await short;
  const next = ask();
  await turn();
  assert.deepEqual([made.length, rests.length], [5, 2]);
  made[4]!.end(0);
  await next;
});

test("a failure is of those that asked, and the next one tries again", async () => {
  const { ask, made } = table();
  const failing = [ask(), ask()];
  await turn();
  const next = ask();
  const refused = failing.map((one) => assert.rejects(one, /^Error: 1$/));
  made[0]!.fail();
  await Promise.all(refused);
  await turn();
  made[1]!.end(0);
  assert.equal(await next, "2");
});

test("a room that is listed by many at once is read once or twice, and each answer is the whole list", async () => {
  const core = await Core.open();
  after(() => core.db.destroy());
  for (const number of [1, 2]) await core.hosts.register(machine(number, { disks: [] }));
  const http = createHttp(core.log);
  after(() => http.close());
  const { overview, ...parts } = core.hostParts();
  let readings = 0;
  let came = 0;
  const allCame = Promise.withResolvers<void>();
  http.addHook("onRequest", async () => {
    came += 1;
    if (came === 20) allCame.resolve();
  });
  const read = overview.of.bind(overview);
  overview.of = async (hosts) => {
    readings += 1;
    // The first one is read as long as others come.
    await allCame.promise;
    return read(hosts);
  };
  hostRoutes(http, { ...parts, overview });
  await http.ready();
  const answers = await Promise.all(Array.from({ length: 20 }, () => http.inject("/api/v1/hosts?limit=1000")));
  assert(readings <= 3, `${readings} readings`);
  for (const answer of answers) {
    assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
    assert.deepEqual(answer.json(), answers[0]!.json());
    assert.deepEqual(
      answer.json().hosts.map(({ name }: { name: string }) => name),
      ["lab-01", "lab-02"],
    );
    assert.equal("token_hash" in answer.json().hosts[0] || "inventory" in answer.json().hosts[0], false);
  }
  assert.equal((await http.inject("/api/v1/hosts?limit=1")).json().hosts.length, 1);
});
