import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { keyFingerprint } from "../../../images/signature.ts";
import { loadSiteKey, parsePublicKey, readSitePublicKey, rotateSiteKey, trustKey } from "../../../server/store/keys.ts";
import { testKey } from "../../images/test-keys.ts";

async function dataDir(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test("the key is made once, readable for its owner only, and stays the same", async (t) => {
  const directory = await dataDir(t);
  const first = await loadSiteKey(directory);
  assert.equal((await stat(join(directory, "keys/site.key"))).mode & 0o777, 0o600);
  assert.equal((await loadSiteKey(directory)).fingerprint, first.fingerprint);
  assert.match(first.fingerprint, /^[0-9a-f]{64}$/);
  const published = createPublicKey(await readFile(join(directory, "keys/site.pub")));
  assert(published.equals(first.publicKey));
  assert.deepEqual((await readdir(join(directory, "keys"))).sort(), ["site.key", "site.pub"]);
});

test("processes that start at the same moment use one key", async (t) => {
  const directory = await dataDir(t);
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadSiteKey(directory)));
  assert.equal(new Set(keys.map(({ fingerprint }) => fingerprint)).size, 1);
});

test("a key that others may read is refused", async (t) => {
  const directory = await dataDir(t);
  await loadSiteKey(directory);
  await chmod(join(directory, "keys/site.key"), 0o640);
  await assert.rejects(loadSiteKey(directory), { code: "KEY_EXPOSED" });
});

test("a file that is no Ed25519 key is refused and stays", async (t) => {
  const directory = await dataDir(t);
  const path = join(directory, "keys/site.key");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await mkdir(join(directory, "keys"));
  for (const content of ["", "nonsense", privateKey.export({ type: "pkcs8", format: "pem" }).toString()]) {
    await writeFile(path, content, { mode: 0o600 });
    await assert.rejects(loadSiteKey(directory), { code: "KEY_INVALID" });
    assert.equal(await readFile(path, "utf8"), content);
  }
});

test("the public half is read without the private one, and reading makes no key", async (t) => {
  const directory = await dataDir(t);
  await assert.rejects(readSitePublicKey(directory), { code: "SITE_KEY_ABSENT" });
  assert.deepEqual(await readdir(directory), []);
  const { fingerprint } = await loadSiteKey(directory);
  await rm(join(directory, "keys/site.key"));
  const read = await readSitePublicKey(directory);
  assert.deepEqual([read.fingerprint, read.publicKey.type], [fingerprint, "public"]);
  assert.deepEqual(await readdir(join(directory, "keys")), ["site.pub"]);
});

test("a public key that is none, or of another kind, is refused", async (t) => {
  const directory = await dataDir(t);
  await mkdir(join(directory, "keys"));
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  for (const content of ["", "nonsense", publicKey.export({ type: "spki", format: "pem" }).toString()]) {
    await writeFile(join(directory, "keys/site.pub"), content);
    await assert.rejects(readSitePublicKey(directory), { code: "KEY_INVALID" });
  }
});

test("a new key signs, and those before stay trusted", async (t) => {
  const directory = await dataDir(t);
  const { before, after } = await rotateSiteKey(directory);
  const { after: last } = await rotateSiteKey(directory);
  assert.equal(new Set([before, after, last].map(({ fingerprint }) => fingerprint)).size, 3);
  const loaded = await loadSiteKey(directory);
  const read = await readSitePublicKey(directory);
  assert.deepEqual([loaded.fingerprint, read.fingerprint], [last.fingerprint, last.fingerprint]);
  const trusted = [before, after, last].map(({ fingerprint }) => fingerprint).sort();
  assert.deepEqual(loaded.trusted.map(keyFingerprint).sort(), trusted);
  assert.deepEqual(read.trusted.map(keyFingerprint).sort(), trusted);
  assert.equal((await stat(join(directory, "keys/site.key"))).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(join(directory, "keys"))).sort(), ["site.key", "site.pub", "trusted"]);
});

test("a key that was being replaced when the power went out is one of the two, and both are trusted", async (t) => {
  const directory = await dataDir(t);
  const { before, after } = await rotateSiteKey(directory);
  // Between the new private key and its public half.
  const pem = before.publicKey.export({ type: "spki", format: "pem" }).toString();
  await writeFile(join(directory, "keys/site.pub"), pem);
  assert.equal((await readSitePublicKey(directory)).fingerprint, before.fingerprint);
  assert.equal((await loadSiteKey(directory)).fingerprint, after.fingerprint);
  assert.equal((await readSitePublicKey(directory)).fingerprint, after.fingerprint);
});

test("another site's key is trusted once, and what is no public key never", async (t) => {
  const directory = await dataDir(t);
  await loadSiteKey(directory);
  const other = testKey(7);
  await trustKey(directory, other.publicKey);
  await trustKey(directory, other.publicKey);
  const { trusted } = await readSitePublicKey(directory);
  assert(trusted.length === 2 && trusted[1]!.equals(other.publicKey));
  const secret = other.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  for (const pem of ["", "nonsense", secret])
    assert.throws(() => parsePublicKey(pem, "other.pub"), { code: "KEY_INVALID" });
  await writeFile(join(directory, "keys/trusted/bad.pub"), "nonsense");
  await assert.rejects(readSitePublicKey(directory), { code: "KEY_INVALID" });
});
