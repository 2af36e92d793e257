import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FeedParser } from "../../../../server/web/page/feed-parser.ts";

const feed = [
  ": bootcast events\n\n",
  'id: 7\nevent: host.state\ndata: {"id":7}\n\n',
  ": nothing new\n\n",
  "data:first\r\ndata: second\r\n\r\n",
  "event: empty\n\n",
  "data\n\n",
].join("");

const expected = [
  { kind: "", data: "bootcast events", isComment: true },
  { kind: "host.state", data: '{"id":7}', isComment: false },
  { kind: "", data: "nothing new", isComment: true },
  { kind: "message", data: "first\nsecond", isComment: false },
  { kind: "message", data: "", isComment: false },
];

test("events and comments are read, wherever the text is cut", () => {
  assert.deepEqual(new FeedParser().push(feed), expected);
  for (let cut = 0; cut <= feed.length; cut += 1) {
    const parser = new FeedParser();
    assert.deepEqual([...parser.push(feed.slice(0, cut)), ...parser.push(feed.slice(cut))], expected, `cut at ${cut}`);
  }
  const parser = new FeedParser();
  assert.deepEqual(
    [...feed].flatMap((letter) => parser.push(letter)),
    expected,
  );
});

test("any text is read without an error", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (parts) => {
      const parser = new FeedParser();
      for (const part of parts) for (const { data } of parser.push(part)) assert.equal(typeof data, "string");
    }),
  );
});

test("a line without end costs no more than a megabyte", () => {
  const parser = new FeedParser();
  for (let n = 0; n < 5; n += 1) assert.deepEqual(parser.push("x".repeat(400_000)), []);
  assert.deepEqual(parser.push("\n\ndata: on\n\n"), [{ kind: "message", data: "on", isComment: false }]);
});
