import assert from "node:assert/strict";
import { test } from "node:test";
import { isMailAddress, isWebhookAddress } from "../../../server/notify/addresses.ts";
import { askedPauseMs, pauseMs } from "../../../server/notify/backoff.ts";
import { newSigningSecret, signedHeaders } from "../../../server/notify/signature.ts";
import { defaultTopics, topicOf, topics, topicWords } from "../../../server/notify/topics.ts";

test("a signature is that of the example that Standard Webhooks is tested with", () => {
  const headers = signedHeaders("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    atMs: 1_614_265_330_999,
    body: '{"test": 2432232314}',
  });
  assert.deepEqual(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
  assert.match(newSigningSecret(), /^whsec_[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(newSigningSecret(), newSigningSecret());
});

test("pauses grow to an hour; a receiver's own wish is bounded", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 60].map((failures) => pauseMs(failures, 0) / 1000),
    [10, 30, 90, 270, 810, 2430, 3600, 3600],
  );
  assert.equal(pauseMs(1, 1), 11_000);
  assert.equal(askedPauseMs("120", 0), 120_000);
  assert.equal(askedPauseMs("999999999", 0), 3_600_000);
  assert.equal(askedPauseMs("Thu, 01 Jan 1970 00:01:00 GMT", 20_000), 40_000);
  for (const header of [undefined, "", "0", "-5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"]) {
    assert.equal(askedPauseMs(header, 20_000), undefined, header);
  }
});

test("addresses: what is no plain one is refused", () => {
  for (const url of ["https://chat.example/a/b?c=d", "http://10.0.0.5:9000/", "https://[fd00::1]/x"]) {
    assert.equal(isWebhookAddress(url), true, url);
  }
  for (const url of [
    "",
    "chat.example",
    "ftp://a/",
    "file:///etc/passwd",
    "https://me:secret@a/",
    "javascript:1",
    "https://",
  ]) {
    assert.equal(isWebhookAddress(url), false, url);
  }
  for (const address of ["a@b", "mueller@school.example", "ä.b+c@x-1.example"]) assert(isMailAddress(address), address);
  for (const address of [
    "",
    "a",
    "@b",
    "a@",
    "a@b c",
    "a@b\r\nBcc: x@y",
    "<a@b>",
    "a,b@c",
    '"a"@b',
    "a@b@c",
    "a@-..",
  ]) {
    assert.equal(isMailAddress(address), false, address);
  }
});

test("each topic has words, and what is told unasked is what needs somebody", () => {
  for (const topic of topics) assert(topicWords[topic].length > 10);
  assert.deepEqual(defaultTopics, ["host-failed", "session-ended", "schedule", "problem"]);
  const of = (kind: string, data = {}) => topicOf({ kind, data });
  assert.deepEqual(
    [of("host.registered", { isNew: true }), of("host.registered", { isNew: false }), of("toString"), of("host.state")],
    ["host-new", undefined, undefined, undefined],
  );
  assert.equal(of("deploy.host-failed"), "host-failed");
});
