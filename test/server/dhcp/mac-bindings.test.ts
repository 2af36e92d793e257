import assert from "node:assert/strict";
import { test } from "node:test";
import { MacBindings } from "../../../server/dhcp/mac-bindings.ts";

const mac = "00:17:f2:a1:b2:c3";
const setting = { id: 0x81000089, untilMs: 1000 };

test("a Mac is bound as it is set, until the time is over", () => {
  const bindings = new MacBindings();
  assert.equal(bindings.imageOf(mac, undefined, 0), undefined);
  assert.equal(bindings.imageOf(mac, setting, 999), 0x81000089);
  assert.equal(bindings.imageOf(mac, setting, 1000), undefined);
});

test("a Mac that chose another server is let go until somebody sets it anew", () => {
  const bindings = new MacBindings();
  bindings.rest(mac, setting);
  assert.equal(bindings.imageOf(mac, setting, 0), undefined);
  assert.equal(bindings.imageOf("00:17:f2:00:00:01", setting, 0), 0x81000089, "only that one");
  assert.equal(bindings.imageOf(mac, { ...setting, untilMs: 2000 }, 0), 0x81000089);
  assert.equal(bindings.imageOf(mac, setting, 0), 0x81000089, "what was set anew counts from then on");
});
