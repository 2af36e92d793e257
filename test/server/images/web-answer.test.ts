import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { parseWebUrl, readWebAnswer } from "../../../server/images/web-answer.ts";

const url = new URL("https://server/images/lab.dmg");
const range = { startBytes: 100, endBytes: 200 };
const whole = { "content-range": "bytes 100-199/1000", etag: '"a"' };

test("a part of a file", () => {
  assert.deepEqual(readWebAnswer(url, range, { status: 206, headers: whole }), {
    kind: "content",
    sizeBytes: 1000,
    version: '"a"',
  });
});

test("the last part is shorter, and a date stands for a version", () => {
  const headers = { "content-range": "bytes 100-149/150", "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" };
  assert.deepEqual(readWebAnswer(url, range, { status: 206, headers }), {
    kind: "content",
    sizeBytes: 150,
    version: "Thu, 01 Jan 2026 00:00:00 GMT",
  });
});

for (const [to, from, wanted] of [
  ["/other/lab.dmg", url, "https://server/other/lab.dmg"],
  ["https://mirror:8443/lab.dmg#part", url, "https://mirror:8443/lab.dmg"],
  ["https://server/x", new URL("http://server/lab.dmg"), "https://server/x"],
  ["https://me:secret@mirror/x", url, "https://mirror/x"],
] as const) {
  test(`sent on to ${to}`, () => {
    const read = readWebAnswer(from, range, { status: 302, headers: { location: to } });
    assert.equal(read.kind === "elsewhere" && read.url.href, wanted);
  });
}

for (const status of [408, 429, 500, 503]) {
  test(`${status} is asked again`, () => {
    assert.deepEqual(readWebAnswer(url, range, { status, headers: {} }), {
      kind: "later",
      why: `server answers ${status}`,
    });
  });
}

const refusals: readonly (readonly [string, number, Record<string, string>, string])[] = [
  ["not there", 404, {}, "WEB_MISSING"],
  ["gone", 410, {}, "WEB_MISSING"],
  ["a password", 401, {}, "WEB_REFUSED"],
  ["forbidden", 403, {}, "WEB_REFUSED"],
  ["all of it instead of a part", 200, { "content-length": "1000" }, "WEB_NO_RANGES"],
  ["a part that it has not", 416, { "content-range": "bytes */50" }, "WEB_NO_RANGES"],
  ["empty", 416, { "content-range": "bytes */0" }, "IMAGE_EMPTY"],
  ["empty, too", 200, { "content-length": "0" }, "IMAGE_EMPTY"],
  ["another part", 206, { "content-range": "bytes 0-99/1000" }, "WEB_ANSWER"],
  ["a longer part", 206, { "content-range": "bytes 100-200/1000" }, "WEB_ANSWER"],
  ["a shorter part", 206, { "content-range": "bytes 100-150/1000" }, "WEB_ANSWER"],
  ["a part of nobody knows how much", 206, { "content-range": "bytes 100-199/*" }, "WEB_ANSWER"],
  ["a part of what it does not say", 206, {}, "WEB_ANSWER"],
  ["packed", 206, { ...whole, "content-encoding": "gzip" }, "WEB_ANSWER"],
  ["no content", 204, {}, "WEB_ANSWER"],
  ["sent nowhere", 301, {}, "WEB_REDIRECT"],
  ["sent to no web address", 301, { location: "file:///etc/passwd" }, "WEB_REDIRECT"],
  ["sent to where it is not encrypted", 301, { location: "http://server/lab.dmg" }, "WEB_REDIRECT"],
];
for (const [name, status, headers, code] of refusals) {
  test(`${name} is refused`, () => {
    assert.throws(() => readWebAnswer(url, range, { status, headers }), { code });
  });
}

test("any answer is content that was asked for, or refused", () => {
  const headers = fc.dictionary(
    fc.constantFrom("content-range", "location", "etag", "content-encoding", "content-length"),
    fc.oneof(fc.string(), fc.constantFrom("bytes 100-199/1000", "bytes */0", "identity", "/x")),
  );
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), headers, (status, given) => {
      try {
        const read = readWebAnswer(url, range, { status, headers: given });
        if (read.kind === "content") assert(read.sizeBytes > 100);
        if (read.kind === "elsewhere") assert.equal(read.url.protocol, "https:");
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
  );
});

test("addresses", () => {
  assert.equal(parseWebUrl("/images/lab.dmg"), undefined);
  assert.equal(parseWebUrl("asr://server"), undefined);
  for (const name of ["%zz", "lab%.dmg", "%ff"]) {
    assert.throws(() => parseWebUrl(`https://server/images/${name}`), { code: "WEB_ADDRESS" });
  }
  assert.equal(parseWebUrl("https://server/%zz/lab%25.dmg")?.pathname, "/%zz/lab%25.dmg");
  assert.equal(parseWebUrl("HTTP://server/lab.dmg#x")?.href, "http://server/lab.dmg");
  for (const text of ["https:lab.dmg", "http://", "https://me:secret@server/lab.dmg", "https://me@server/x"]) {
    assert.throws(
      () => parseWebUrl(text),
      (error) => error instanceof Fault && error.code === "WEB_ADDRESS" && !error.what.includes("secret"),
    );
  }
});
