import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostBody } from "../../../../server/api/host-schemas.ts";
import { groupsOf, hostsLike } from "../../../../server/web/page/room/selection.ts";

const host = (name: string, more: Partial<HostBody> = {}) =>
  ({
    name,
    mac: "52:54:00:00:00:01",
    vendor: "Apple",
    model: "iMac12,1",
    serial: "C02",
    group: null,
    labels: [],
    note: null,
    status: { state: "idle", detail: "", sinceMs: 0 },
    ...more,
  }) as unknown as HostBody;

const names = (hosts: readonly HostBody[]) => hosts.map(({ name }) => name);

test("hosts are found by all words, in whatever is known of them, and come as people count", () => {
  const found = [host("lab-10"), host("lab-2", { labels: ["kiosk"] }), host("desk", { model: "OptiPlex" })];
  assert.deepEqual(names(hostsLike(found, "", undefined)), ["desk", "lab-2", "lab-10"]);
  assert.deepEqual(names(hostsLike(found, " IMAC  lab", undefined)), ["lab-2", "lab-10"]);
  assert.deepEqual(names(hostsLike(found, "kiosk", undefined)), ["lab-2"]);
  assert.deepEqual(names(hostsLike(found, "", "failed")), []);
});

test("groups come by name, and hosts without one are last", () => {
  const found = [host("c"), host("b", { group: "room-10" }), host("a", { group: "room-2" })];
  assert.deepEqual(
    groupsOf(found).map(({ name, hosts }) => [name, names(hosts)]),
    [
      ["room-2", ["a"]],
      ["room-10", ["b"]],
      [null, ["c"]],
    ],
  );
});
