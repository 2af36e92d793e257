import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hashOf, type Route, routeOf } from "../../../../server/web/page/route.ts";

const routes: readonly Route[] = [
  { page: "room" },
  { page: "sessions" },
  { page: "session", id: 41 },
  { page: "images" },
  { page: "schedule" },
  { page: "repairs" },
  { page: "settings" },
  { page: "host", id: "a host/with #" },
];

test("every page has an address, and leads back to it", () => {
  for (const route of routes) assert.deepEqual(routeOf(hashOf(route)), route);
  assert.deepEqual(routeOf(""), { page: "room" });
  assert.deepEqual(routeOf("#"), { page: "room" });
});

test("what is no address is no page", () => {
  for (const hash of ["#/nowhere", "#/sessions/0", "#/sessions/x", "#/hosts/", "#/hosts/%", "#/images/7", "#/a/b/c"]) {
    assert.deepEqual(routeOf(hash), { page: "unknown" }, hash);
  }
  fc.assert(fc.property(fc.string(), (hash) => typeof routeOf(`#${hash}`).page === "string"));
});
