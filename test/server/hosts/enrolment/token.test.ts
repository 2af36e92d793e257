import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { enrolmentToken } from "../../../../agent/machine/kernel-arguments.ts";
import { machineToken, shownTokenOf, siteToken } from "../../../../server/hosts/enrolment/token.ts";

const secret = Buffer.alloc(32, 7).toString("base64url");
const other = Buffer.alloc(32, 8).toString("base64url");
const MAC = "52:54:00:00:00:01";
const OTHER_MAC = "52:54:00:00:00:02";
const now = { secret, untilMs: null };
const before = { secret: other, untilMs: 1_000 };

test("tokens are what they are: a boot stick of today is good tomorrow", () => {
  assert.equal(siteToken(secret), "rO6vX5fpZcv2S1p51M7L8Q");
  assert.equal(machineToken(secret, MAC), "f9WIkiN9Ty5BHFSVnfjEEA");
});

const cases = [
  ["nothing", undefined, "none"],
  ["an empty word", "", "none"],
  ["the site's", siteToken(secret), "right"],
  ["the machine's own", machineToken(secret, MAC), "right"],
  ["another machine's", machineToken(secret, OTHER_MAC), "wrong"],
  ["another site's", siteToken(Buffer.alloc(32, 9).toString("base64url")), "wrong"],
  ["the site's of before", siteToken(other), "old"],
  ["the machine's own of before", machineToken(other, MAC), "old"],
  ["the secret itself", secret, "wrong"],
  ["letters that are none", "ä".repeat(22), "wrong"],
] as const;
for (const [name, shown, is] of cases) {
  test(`${name} is ${is}`, () => {
    assert.equal(shownTokenOf(shown, { mac: MAC, secrets: [now, before], nowMs: 999 }), is);
  });
}

test("an old one is wrong when its time is over, and without secrets every one is", () => {
  const shown = siteToken(other);
  assert.equal(shownTokenOf(shown, { mac: MAC, secrets: [now, before], nowMs: 1_000 }), "wrong");
  assert.equal(shownTokenOf(siteToken(secret), { mac: MAC, secrets: [], nowMs: 0 }), "wrong");
});

test("whatever is shown, only the two tokens are good; nothing makes it fail", () => {
  const good = [siteToken(secret), machineToken(secret, MAC)];
  fc.assert(
    fc.property(fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: "binary", minLength: 1 })), (shown) => {
      const is = shownTokenOf(shown, { mac: MAC, secrets: [now], nowMs: 0 });
      assert.equal(is, good.includes(shown) ? "right" : "wrong");
    }),
  );
});

test("a kernel's command line and a file carry tokens, and nothing else", () => {
  const token = siteToken(secret);
  assert.equal(enrolmentToken(token), token);
  assert.equal(enrolmentToken(`${token}\n`), token);
  for (const text of ["", "short", `${token} ${token}`, `${token};`, "a".repeat(201)]) {
    assert.equal(enrolmentToken(text), undefined, text);
  }
});
