import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { digestChallenge, parseDigest, provesPassword } from "../../../server/boot/digest.ts";

/** What iPXE 1.0.0+git-20190125 (Debian 12, the ROM of QEMU's virtio card) sent in a lab. */
const nonce = "269a512e394709073343f8e1185fbbda";
const uri = `/boot/order.ipxe?mac=52%3A54%3A00%3Abc%3A00%3A51&ticket=${nonce}&order=0`;
const recorded =
  `Digest realm="bootcast", nonce="${nonce}", uri="${uri}", username="menu", qop=auth, algorithm=MD5, ` +
  'cnonce="0b4d8f8a", nc=00000001, response="90133d29868f9cbc371c824a566e0a42"';
const asked = { password: "490215", nonce, method: "GET", uri };

/** The example of RFC 7616 section 3.9.1 has a realm of its own; this is the challenge that iPXE was sent. */
test("digest: the challenge", () => {
  assert.equal(digestChallenge(nonce), `Digest realm="bootcast", nonce="${nonce}", qop="auth", algorithm=MD5`);
});

test("digest: what a real iPXE sends proves its password, and no other", () => {
  const answer = parseDigest(recorded);
  assert.deepEqual(answer, {
    username: "menu",
    nonce,
    uri,
    cnonce: "0b4d8f8a",
    count: "00000001",
    response: "90133d29868f9cbc371c824a566e0a42",
  });
  assert(answer);
  assert(provesPassword(answer, asked));
  for (const other of [
    { password: "490216" },
    { password: "" },
    { nonce: "0".repeat(32) },
    { method: "HEAD" },
    { uri: uri.replace("order=0", "order=1") },
  ]) {
    assert(!provesPassword(answer, { ...asked, ...other }), JSON.stringify(other));
  }
});

for (const field of ["realm", "nonce", "uri", "username", "qop", "cnonce", "nc", "response"]) {
  test(`digest: without its ${field}, or with two, it is none`, () => {
    const part = new RegExp(`${field}=("[^"]*"|[^,]*)(, )?`);
    assert.equal(parseDigest(recorded.replace(part, "")), undefined);
    assert.equal(parseDigest(`${recorded}, ${field}="x"`), undefined);
  });
}

for (let cut = 0; cut < recorded.length - 1; cut += 7) {
  test(`digest: cut at byte ${cut}, it proves nothing`, () => {
    const answer = parseDigest(recorded.slice(0, cut));
    assert(answer === undefined || !provesPassword(answer, asked));
  });
}

test("digest: any header is read or not, and proves nothing", () => {
  const header = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(fc.constantFrom("Digest ", 'nonce="', '"', ",", "=", "response", "x", " ", recorded))
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(header, (text) => {
      const answer = parseDigest(text);
      if (answer === undefined || text.includes(recorded)) return;
      assert(!provesPassword(answer, asked));
    }),
  );
});
