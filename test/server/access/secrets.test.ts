import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPassword, Passwords } from "../../../server/access/password.ts";
import { isEnough } from "../../../server/access/roles.ts";
import { csrfOf, hashOfSecret, newCode, newToken, tidyCode } from "../../../server/access/secrets.ts";

/** Cheap, because nobody guesses here. */
const CHEAP = { N: 2 ** 4, r: 8, p: 1 };

test("a code is read as it was meant, however it was typed", () => {
  const code = newCode();
  assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
  for (const typed of [code, code.toLowerCase(), code.replaceAll("-", ""), ` ${code.replaceAll("-", " ")} `]) {
    assert.equal(tidyCode(typed), code);
  }
  assert.equal(tidyCode("oOiI-lL10-7777"), "0011-1110-7777");
  assert.equal(tidyCode("!"), "");
});

test("no two secrets are the same, and what is stored does not tell them", () => {
  const tokens = new Set(Array.from({ length: 200 }, newToken));
  assert.equal(tokens.size, 200);
  for (const token of tokens) assert.match(token, /^bct_[\w-]{43}$/);
  assert.notEqual(csrfOf("a"), csrfOf("b"));
  assert.notEqual(csrfOf("a"), hashOfSecret("a"));
});

test("a password is right in any form that keyboards give it, and no other is", async () => {
  const passwords = new Passwords(CHEAP);
  const stored = await passwords.hash("Straße am Fluß é");
  assert.match(stored, /^scrypt\$4\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
  assert.notEqual(await passwords.hash("Straße am Fluß é"), stored, "salted");
  assert.equal(await passwords.isRight("Straße am Fluß e\u0301", stored), true);
  assert.equal(await passwords.isRight("Strasse am Fluss e", stored), false);
  assert.equal(await passwords.isRight("", stored), false);
  for (const nothing of [null, "scrypt$4$8$1$$"]) assert.equal(await passwords.isRight("", nothing), false);
});

test("few are computed at once, some wait, the rest is told to come again", async () => {
  const passwords = new Passwords({ N: 2 ** 10, r: 8, p: 1 });
  const all = await Promise.allSettled(Array.from({ length: 50 }, () => passwords.isRight("x", null)));
  const refused = all.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 50 - 2 - 32);
  for (const one of refused) assert.equal((one as PromiseRejectedResult).reason.code, "LOGIN_THROTTLED");
  assert.equal(await passwords.isRight("x", null), false, "and afterwards it works again");
});

for (const [password, why] of [
  ["short", /5 letters/],
  ["x".repeat(300), /more than/],
  ["aaaaaaaaaaaaaa", /same letter/],
  ["mueller123", /name of the user/],
] as const) {
  test(`the password ${password.slice(0, 20)} is refused`, () => {
    assert.throws(() => checkPassword(password, "mueller"), { code: "PASSWORD_INVALID", why });
  });
}

test("a password of four words is taken", () => checkPassword("correct horse battery staple", "mueller"));

test("each role may what those before may", () => {
  const order = ["anyone", "viewer", "operator", "admin"] as const;
  const table = [undefined, "viewer", "operator", "admin"].map((role) =>
    order.map((least) => isEnough(role as "viewer" | undefined, least)),
  );
  assert.deepEqual(table, [
    [true, false, false, false],
    [true, true, false, false],
    [true, true, true, false],
    [true, true, true, true],
  ]);
});
