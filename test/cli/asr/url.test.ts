import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamInfo } from "../../../agent/contract.ts";
import { parseAsrUrl, pickStream } from "../../../cli/asr/url.ts";
import type { ImageReference } from "../../../cli/image/reference.ts";

const good: readonly (readonly [string, string, ImageReference | undefined])[] = [
  ["asr://imacg4.local", "http://imacg4.local:7800/", undefined],
  ["asr://myserver.com/", "http://myserver.com:7800/", undefined],
  ["asr://10.77.0.1:7801", "http://10.77.0.1:7801/", undefined],
  ["ASR://10.77.0.1:7801/lab-debian", "http://10.77.0.1:7801/", { name: "lab-debian" }],
  ["asr://10.77.0.1/lab-debian:3", "http://10.77.0.1:7800/", { name: "lab-debian", version: 3 }],
];
for (const [text, server, image] of good) {
  test(`${text} is the address of a stream`, () => {
    const url = parseAsrUrl(text);
    assert.deepEqual([url?.server.href, url?.image], [server, image]);
  });
}

for (const text of [
  "asr:",
  "asr://",
  "asr://host:0",
  "asr://host:99999",
  "asr://host/a/b",
  "asr://ho st",
  "asr://user@host",
  "asr://host/lab-debian@3",
  "asr://host/lab-debian:0",
  "asr://host/lab-debian:",
]) {
  test(`${text} is refused`, () => {
    assert.throws(() => parseAsrUrl(text), { code: "USAGE" });
  });
}

test("what is no asr address is left to others", () => {
  for (const text of ["golden.raw", "http://host/x", "/dev/sda", "lab-debian"])
    assert.equal(parseAsrUrl(text), undefined);
});

test("the stream that is meant is found, or the choice is shown", () => {
  const info = (streamId: string, image: string, imageVersion = 1) =>
    ({ description: { streamId }, image, imageVersion }) as StreamInfo;
  const url = (name?: string, version?: number) => ({
    server: new URL("http://h:7800"),
    image: name === undefined ? undefined : { name, ...(version === undefined ? {} : { version }) },
  });
  const versions = [info("1", "debian", 1), info("2", "debian", 2)];
  assert.equal(pickStream(versions, url("debian", 2)), "2");
  assert.throws(() => pickStream(versions, url("debian")), { code: "STREAM_UNCLEAR" });
  assert.throws(() => pickStream(versions, url("debian", 3)), { code: "STREAM_UNKNOWN" });
  const two = [info("1", "debian"), info("2", "macos")];
  assert.equal(pickStream([info("1", "debian")], url()), "1");
  assert.equal(pickStream(two, url("macos")), "2");
  assert.throws(() => pickStream(two, url()), { code: "STREAM_UNCLEAR" });
  assert.throws(() => pickStream(two, url("windows")), { code: "STREAM_UNKNOWN" });
  assert.throws(() => pickStream([], url()), { code: "STREAM_UNKNOWN" });
});
