import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import fc from "fast-check";
import lzma from "lzma-native";
import { decodeAdc } from "../../../images/udif/adc.ts";
import { decodeChunk, type PackedCodec } from "../../../images/udif/codecs.ts";
import { crc32WithZeros } from "../../../images/udif/crc-zeros.ts";
import { xzPlainBytes } from "../../../images/udif/xz-size.ts";
import { bzip2Text, text, xzText } from "./sample-tables.ts";

/** "abcabcabcabcX" and what each element is. */
const adcText = Buffer.from("82616263" + "1802" + "8058", "hex");

const packed: Record<Exclude<PackedCodec, "lzfse">, { stored: Buffer; plain: Buffer }> = {
  zlib: { stored: deflateSync(text), plain: text },
  bzip2: { stored: bzip2Text, plain: text },
  xz: { stored: xzText, plain: text },
  adc: { stored: adcText, plain: Buffer.from("abcabcabcabcX") },
};

for (const [codec, { stored, plain }] of Object.entries(packed) as [PackedCodec, { stored: Buffer; plain: Buffer }][]) {
  test(`${codec}: unpacks`, async () => {
    assert.deepEqual(Buffer.from(await decodeChunk(codec, stored, plain.length)), plain);
  });

  test(`${codec}: another length, and every cut, is refused`, async () => {
    // ADC has no end mark: what is behind the last byte is not looked at, and the image's checksum judges.
    const shorter = codec === "adc" ? [] : [1, plain.length - 1];
    for (const length of [...shorter, plain.length + 1, plain.length * 2])
      await assert.rejects(decodeChunk(codec, stored, length), { code: "UDIF_CHUNK" }, `${length}`);
    for (let cut = 0; cut < stored.length; cut += 1)
      await assert.rejects(decodeChunk(codec, stored.subarray(0, cut), plain.length), { code: "UDIF_CHUNK" }, `${cut}`);
  });

  test(`${codec}: every bit: refused, or of the right length`, async () => {
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const changed = Buffer.from(stored);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const found = await decodeChunk(codec, changed, plain.length);
        assert.equal(found.length, plain.length);
        // ADC has no checksum of its own; the others see it, but for bits that they leave unused.
        if (codec !== "adc") assert.deepEqual(Buffer.from(found), plain);
      } catch (error) {
        assert.equal((error as { code: string }).code, "UDIF_CHUNK");
      }
    }
  });

  test(`${codec}: any bytes are refused or have the right length`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(2000), async (bytes, length) => {
        try {
          assert.equal((await decodeChunk(codec, bytes, length)).length, length);
        } catch (error) {
          assert.equal((error as { code: string }).code, "UDIF_CHUNK");
        }
      }),
    );
  });
}

test("LZFSE is named", async () => {
  await assert.rejects(decodeChunk("lzfse", new Uint8Array(4), 512), { code: "UDIF_CODEC_LZFSE" });
});

for (const [name, hex, plain] of [
  ["literals", "80" + "41", "A"],
  ["a short copy that overlaps itself", "8041" + "1c00", "A".repeat(11)],
  ["a long copy", "83" + "31323334" + "440003" + "8021", "1234" + "12341234" + "!"],
] as const) {
  test(`ADC: ${name}`, () => {
    assert.equal(Buffer.from(decodeAdc(Buffer.from(hex, "hex"), plain.length)!).toString(), plain);
  });
}

for (const [name, hex] of [
  ["a copy from before the start", "8041" + "0001" + "80"],
  ["a copy beyond the end", "8041" + "3c00"],
  ["literals beyond the end", "8741414141414141"],
  ["a copy that is cut", "8041" + "4000"],
] as const) {
  test(`ADC: ${name} is refused`, () => {
    assert.equal(decodeAdc(Buffer.from(hex, "hex"), 4), undefined);
  });
}

test("xz: what it unpacks to is known before", async () => {
  for (const plain of [Buffer.alloc(0), randomBytes(70_000), Buffer.alloc(5_000_000), text]) {
    const stored = await xz(plain);
    assert.equal(xzPlainBytes(stored), plain.length);
    if (plain.length > 0) assert.deepEqual(Buffer.from(await decodeChunk("xz", stored, plain.length)), plain);
  }
});

test("bombs are refused without unpacking them", async () => {
  const zeros = Buffer.alloc(16 * 2 ** 20);
  const bombs = { zlib: deflateSync(zeros), xz: await xz(zeros) };
  assert(bombs.xz.length < 5_000);
  // A second stream behind a sound one.
  const twice = { zlib: bombs.zlib, xz: Buffer.concat([xzText, bombs.xz]) };
  const before = process.memoryUsage.rss();
  for (const codec of ["zlib", "xz"] as const) {
    await assert.rejects(decodeChunk(codec, bombs[codec], 4096), { code: "UDIF_CHUNK" });
    await assert.rejects(decodeChunk(codec, twice[codec], 4096), { code: "UDIF_CHUNK" });
  }
  assert(process.memoryUsage.rss() - before < 10 * 2 ** 20);
});

test("CRC-32 of zeros at the end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(100_000), (bytes, length) => {
      assert.equal(crc32WithZeros(crc32(bytes), length), crc32(Buffer.alloc(length), crc32(bytes)));
    }),
  );
  // In two steps as in one, where no one could feed the zeros.
  assert.equal(crc32WithZeros(crc32WithZeros(7, 2 ** 51), 2 ** 50 + 3), crc32WithZeros(7, 3 * 2 ** 50 + 3));
});

function xz(plain: Buffer): Promise<Buffer> {
  return new Promise((resolve) => lzma.compress(plain, 6, resolve));
}
