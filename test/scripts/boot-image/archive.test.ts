import assert from "node:assert/strict";
import { test } from "node:test";
import { mirrorOf } from "../../../scripts/boot-image/archive.ts";

/** Lines as `apt-get indextargets --format` gives them: identifier, component, release, origin, address. */
const lines = (...rows: string[]) => rows.join("\n");

test("the archive itself is chosen, not its updates, its security archive or somebody else's", () => {
  const targets = lines(
    "Packages|main|nodistro|. nodistro|https://packages.example/node/",
    "Packages|main|bookworm-security|Debian|http://example.test/debian-security/",
    "Packages|main|bookworm-updates|Debian|http://example.test/debian/",
    "Translations|main|bookworm|Debian|http://wrong.example/debian/",
    "Packages|contrib|bookworm|Debian|http://wrong.example/debian/",
    "Packages|main|bookworm|Debian|file:/srv/debian/",
    "Packages|main|bookworm|Debian|http://example.test/debian/",
    "",
  );
  assert.equal(mirrorOf(targets), "http://example.test/debian/");
});

test("before the first update of apt's lists, the address decides", () => {
  const unknown = "$(ORIGIN)";
  const targets = lines(
    `Packages|main|stable|${unknown}|https://packages.example/tool/`,
    `Packages|main|trixie|${unknown}|https://example.test/debian`,
  );
  assert.equal(mirrorOf(targets), "https://example.test/debian");
});

test("no archive is no mirror", () => {
  assert.equal(mirrorOf(""), undefined);
  assert.equal(mirrorOf("Packages|main|noble|Ubuntu|http://example.test/ubuntu/"), undefined);
});
