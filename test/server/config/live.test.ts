import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../../../server/config/config.ts";
import { LiveConfig, whileRunning } from "../../../server/config/live.ts";

const config = (flags: Record<string, string> = {}) => loadConfig({ flags, file: "/dev/null" });

test("what may change while the server runs is taken; the rest waits, until it is as it was", () => {
  const live = new LiveConfig(config({ "http.port": "8000" }));
  const { values } = live;
  assert.deepEqual(live.take(config({ "http.port": "8000" })), { taken: [], waiting: [] });
  const next = config({ "http.port": "9000", "hosts.names": "desk-{nn}", "hosts.name_sources": "csv,pattern" });
  assert.deepEqual(live.take(next), { taken: ["hosts.names", "hosts.name_sources"], waiting: ["http.port"] });
  assert.deepEqual([values["hosts.names"], values["http.port"]], ["desk-{nn}", 8000], "whoever holds them sees it");
  assert.deepEqual(live.waiting, ["http.port"]);
  assert.equal(live.origins["hosts.names"], "--set hosts.names");
  // Taken out of the file again: the default.
  assert.deepEqual(live.take(config({ "http.port": "8000" })), {
    taken: ["hosts.names", "hosts.name_sources"],
    waiting: [],
  });
  assert.equal(values["hosts.names"], "lab-{nn}");
});

test("every setting that may change is one", () => {
  const known = Object.keys(config().values);
  for (const key of whileRunning) assert(known.includes(key), key);
});
