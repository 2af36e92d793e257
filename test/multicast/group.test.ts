import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGroup } from "../../multicast/group.ts";

for (const group of ["239.192.66.1", "224.0.1.0", "225.0.0.1", "239.255.255.255"]) {
  test(`group ${group} is taken`, () => checkGroup(group));
}

for (const group of [
  "224.0.0.1",
  "224.0.0.251",
  "223.255.255.255",
  "240.0.0.1",
  "10.0.0.1",
  "239.1.1",
  "239.1.1.256",
  "",
  "ff02::1",
  "239.1.1.1 ",
]) {
  test(`group "${group}" is refused`, () => {
    assert.throws(() => checkGroup(group), { code: "GROUP_REFUSED" });
  });
}
