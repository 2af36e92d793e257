import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { architectures } from "../../../scripts/boot-image/architecture.ts";
import { driversFor, essentialModules, modulesFor } from "../../../scripts/boot-image/drivers.ts";
import { driversFile, driversPage } from "../../../scripts/docs/drivers.ts";

test("docs/drivers.md is what the boot image is made of", () => {
  assert.equal(readFileSync(driversFile, "utf8"), driversPage(), "run: node scripts/docs/drivers.ts");
});

test("each driver is listed once and says what it drives", () => {
  for (const architecture of architectures) {
    const modules = modulesFor(architecture);
    assert.equal(new Set(modules).size, modules.length);
    for (const name of essentialModules) assert(modules.includes(name), name);
    for (const { drivers } of driversFor(architecture)) {
      for (const [name, what] of Object.entries(drivers)) {
        assert.match(name, /^(\w+|(\w+\/)+)$/);
        assert.match(what, /^\S.*[^.]$/, name);
      }
    }
  }
});
