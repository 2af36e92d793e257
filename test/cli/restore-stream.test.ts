import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { signerOfStream } from "../../cli/restore-stream.ts";
import { keyFingerprint, signDocument, TRAILER_BYTES } from "../../images/signature.ts";
import { testKey } from "../images/test-keys.ts";

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
