import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { signerOfStream, streamsOf } from "../../../cli/restore/stream.ts";
import { Fault } from "../../../fault.ts";
import { keyFingerprint, signDocument, TRAILER_BYTES } from "../../../images/signature.ts";
import { testKey } from "../../images/test-keys.ts";

const [first, second] = [testKey(1), testKey(2)];
const trusted = [first.publicKey, second.publicKey];
const manifest = new Uint8Array(100 + TRAILER_BYTES);
signDocument(manifest, second.privateKey);
const digest = createHash("sha256").update(manifest).digest("hex");

test("of several trusted keys, the one that signed the stream is named", async () => {
  const control = { manifest: async () => manifest };
  assert.equal(await signerOfStream(control, "s", digest, trusted), keyFingerprint(second.publicKey));
});

test("a single trusted key signed it: nothing is fetched again", async () => {
  const control = { manifest: () => assert.fail("fetched") };
  assert.equal(await signerOfStream(control, "s", digest, [first.publicKey]), keyFingerprint(first.publicKey));
});

test("a manifest that was replaced names nobody", async () => {
  const control = { manifest: async () => manifest.with(0, 1) };
  await assert.rejects(signerOfStream(control, "s", digest, trusted), { code: "STREAM_MISMATCH" });
});

const url = { server: new URL("http://127.0.0.1:1"), image: undefined };
const absent = new Fault("SERVER_UNREACHABLE", { what: "Not there.", why: "Not yet.", fix: "Wait." });
const signal = new AbortController().signal;

test("a server that starts a moment later is found", async () => {
  let asked = 0;
  const streams = async () => {
    asked += 1;
    if (asked === 1) throw absent;
    return { streams: [] };
  };
  assert.deepEqual(await streamsOf({ streams }, url, { patienceMs: 2000, signal }), []);
  assert.equal(asked, 2);
});

test("a server that answers with a fault is not asked again", async () => {
  const refused = new Fault("STREAM_BROKEN", { what: "No.", why: "Broken.", fix: "Mend it." });
  let asked = 0;
  const streams = () => {
    asked += 1;
    return Promise.reject(refused);
  };
  await assert.rejects(streamsOf({ streams }, url, { patienceMs: 2000, signal }), { code: "STREAM_BROKEN" });
  assert.equal(asked, 1);
});

test("an interruption ends the asking", async () => {
  const stop = new AbortController();
  const streams = () => {
    stop.abort(new Fault("INTERRUPTED", { what: "Stopped.", why: "Ctrl-C.", fix: "Start it again." }));
    return Promise.reject(absent);
  };
  await assert.rejects(streamsOf({ streams }, url, { patienceMs: 2000, signal: stop.signal }), { code: "INTERRUPTED" });
});
