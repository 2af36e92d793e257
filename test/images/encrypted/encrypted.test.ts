import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { decryptedSource } from "../../../images/encrypted/decrypted-source.ts";
import { readEncryptedHeader } from "../../../images/encrypted/header.ts";
import { unlock } from "../../../images/encrypted/unlock.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplesMissing } from "../shared-data.ts";
import { pattern, type SealOptions, sealed } from "./sealed.ts";

async function open(bytes: Uint8Array, passphrase: string) {
  const disk = new MemoryDisk(bytes);
  const header = await readEncryptedHeader(disk);
  return decryptedSource(disk, header, await unlock(header, passphrase));
}

const content = pattern(10_000, 9);
const kinds: Readonly<Record<string, SealOptions>> = {
  "AES-128, locked with triple DES": { passphrase: "secret" },
  "AES-256": { passphrase: "secret", keyBits: 256 },
  "AES-256, blocks of 512": { passphrase: "pässwörd ☃", keyBits: 256, blockBytes: 512 },
  "locked with AES": { passphrase: "secret", wrap: "aes" },
  "last block cut": { passphrase: "secret", isLastBlockCut: true },
  "no passphrase at all is one, too": { passphrase: "" },
};

for (const [name, options] of Object.entries(kinds)) {
  test(`encrypted image, ${name}: any part reads as it was`, async () => {
    const source = await open(sealed(content, options), options.passphrase);
    assert.equal(source.sizeBytes, content.length);
    for (const [offset, length] of [
      [0, 10_000],
      [0, 1],
      [4095, 2],
      [511, 5000],
      [9999, 1],
      [8192, 1808],
    ] as const)
      assert.deepEqual(Buffer.from(await source.read(offset, length)), content.subarray(offset, offset + length));
  });
}

test("a wrong passphrase is said to be one", async () => {
  for (const passphrase of ["Secret", "secret ", "", "x".repeat(5000)])
    await assert.rejects(open(sealed(content, { passphrase: "secret" }), passphrase), { code: "PASSPHRASE_WRONG" });
});

test("a header that wants 4 billion rounds is refused before the first", async () => {
  const bytes = sealed(content, { passphrase: "secret" });
  bytes.writeUInt32BE(0xffffffff, 4096 + 8);
  const start = performance.now();
  await assert.rejects(open(bytes, "secret"), (error: Fault) => {
    assert.equal(error.code, "ENCRYPTED_ITERATIONS");
    assert.match(error.why, /4294967295 times/);
    return true;
  });
  assert(performance.now() - start < 1000);
});

const refusals: readonly (readonly [string, number, number, string])[] = [
  ["version", 8, 3, "ENCRYPTED_HEADER"],
  ["initial vector's length", 12, 8, "ENCRYPTED_KIND"],
  ["mode", 16, 1, "ENCRYPTED_KIND"],
  ["cipher", 20, 17, "ENCRYPTED_KIND"],
  ["key's length", 24, 64, "ENCRYPTED_KIND"],
  ["way to make initial vectors", 28, 90, "ENCRYPTED_KIND"],
  ["block of 0 bytes", 52, 0, "ENCRYPTED_HEADER"],
  ["block of 4097 bytes", 52, 4097, "ENCRYPTED_HEADER"],
  ["size of 16 EiB", 56, 0xffffffff, "ENCRYPTED_HEADER"],
  ["size of 4 TiB", 58, 0x0400, "ENCRYPTED_TRUNCATED"],
  ["content behind the end", 68, 0x7fffffff, "ENCRYPTED_TRUNCATED"],
  ["no keys", 72, 0, "ENCRYPTED_HEADER"],
  ["4 billion keys", 72, 0xffffffff, "ENCRYPTED_HEADER"],
  ["only a certificate's key", 96, 2, "ENCRYPTED_NO_PASSPHRASE"],
  ["key behind the end", 104, 0x7fffffff, "ENCRYPTED_TRUNCATED"],
  ["key of 16 EiB", 108, 0xffffffff, "ENCRYPTED_HEADER"],
  ["derivation", 4096, 104, "ENCRYPTED_KIND"],
  ["salt of 4 GiB", 4096 + 12, 0xffffffff, "ENCRYPTED_HEADER"],
  ["0 rounds", 4096 + 8, 0, "ENCRYPTED_HEADER"],
  ["wrapping cipher", 4096 + 88, 18, "ENCRYPTED_KIND"],
  ["padding", 4096 + 92, 0, "ENCRYPTED_KIND"],
  ["locked key of 4 GiB", 4096 + 100, 0xfffffff8, "ENCRYPTED_HEADER"],
];

for (const [name, at, value, code] of refusals) {
  test(`encrypted image, ${name}: refused as ${code}`, async () => {
    const bytes = sealed(content, { passphrase: "secret" });
    bytes.writeUInt32BE(value, at);
    await assert.rejects(open(bytes, "secret"), { code });
  });
}

/** Opens and reads all: it works, or says why not. */
async function works(bytes: Uint8Array, passphrase: string): Promise<boolean> {
  try {
    const source = await open(bytes, passphrase);
    assert(source.sizeBytes <= bytes.length);
    await source.read(0, source.sizeBytes);
    return true;
  } catch (error) {
    assert(error instanceof Fault, String(error));
    return false;
  }
}

test("every bit of the header: turned, it is refused or harmless", async () => {
  const whole = sealed(content, { passphrase: "secret", iterations: 1 });
  const harmless = new Set<number>();
  // The header, the list of keys, and the locked key.
  for (const [from, to] of [
    [0, 116],
    [4096, 4096 + 104 + 48],
  ] as const) {
    for (let bit = from * 8; bit < to * 8; bit += 1) {
      // The number of rounds: each bit of it costs seconds, and its bound is tested by itself.
      if (bit >> 5 === (4096 + 8) / 4) continue;
      const bytes = Buffer.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      if (await works(bytes, "secret")) harmless.add(bit >> 3);
    }
  }
  const known: readonly (readonly [number, number, string])[] = [
    [36, 52, "UUID"],
    [52, 72, "block size, size and place of the content: the content is then other bytes"],
    [75, 96, "number of keys, and the certificate's"],
    [108, 116, "room for the passphrase's key"],
    [4132, 4144, "room behind a salt of 20 bytes"],
    [4156, 4180, "room behind a vector of 8 bytes"],
    // Nothing protects the keys but the five letters behind them: who opens the image looks whether it is noise.
    [4144, 4156, "vector, and its length, as long as it is enough"],
    [4200, 4228, "locked keys"],
  ];
  const unknown = [...harmless].filter((at) => !known.some(([from, to]) => at >= from && at < to));
  assert.deepEqual(unknown, []);
});

test("every cut is refused", async () => {
  const whole = sealed(content, { passphrase: "secret", iterations: 1 });
  for (let length = 0; length < whole.length - 4096; length += length < 8192 ? 1 : 251)
    assert.equal(await works(whole.subarray(0, length), "secret"), false, `cut at ${length}`);
});

test("any bytes behind the magic open or are refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.boolean(), async (bytes, isOld) => {
      const magic = Buffer.from(isOld ? "cdsaencr" : "encrcdsa");
      await works(Buffer.concat(isOld ? [bytes, magic] : [magic, bytes]), "x");
    }),
  );
});

const v1Sample = "dmg/encrypted-v1-aes128-udrw.dmg";

test("version 1: every bit of the footer, turned, is refused or harmless", { skip: samplesMissing }, async () => {
  const whole = readSample(v1Sample);
  const footerAt = whole.length - 1276;
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const right = digest(await (await open(whole, "vilefault")).read(0, 65536));
  let read = 0;
  for (let at = footerAt; at < whole.length; at += 1) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    // A bit of the number of rounds costs seconds, and the bound above is tested by itself.
    if (at >= footerAt + 48 && at < footerAt + 52) continue;
    if (!(await works(bytes, "vilefault"))) continue;
    const source = await open(bytes, "vilefault");
    if (digest(await source.read(0, source.sizeBytes)) === right) read += 1;
  }
  // Most of the footer is room for keys that are not there.
  assert(read > 800, `${read}`);
  for (const length of [0, 1, 8, 1275, 1276, footerAt, whole.length - 1])
    assert.equal(await works(whole.subarray(0, length), "vilefault"), false);
});
