import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { Implausible } from "../../../images/free-space/volume.ts";
import { decompressed } from "../../../images/hfs-plus/compressed-file.ts";
import { decodeLzvn } from "../../../images/hfs-plus/lzvn.ts";

const MOST = 1 << 20;
const none = async () => Buffer.alloc(0);

function attribute(kind: number, sizeBytes: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  header.write("fpmc", "latin1");
  header.writeUInt32LE(kind, 4);
  header.writeBigUInt64LE(BigInt(sizeBytes), 8);
  return Buffer.concat([header, data]);
}

const text = Buffer.from("<plist>the same again, the same again, the same again</plist>");

/** An instruction each: lzfse, src/lzvn_decode_base.c. The first is from libfshfs's own tests. */
const instructions: readonly (readonly [string, string, string])[] = [
  ["many literals", "e0034d7920636f6d707265737365642066696c650a0600000000000000", "My compressed file\n"],
  ["few literals", "e3616263 06", "abc"],
  ["nothing at all", "0e16 e161 06", "a"],
  ["a small distance, with literals", "e461626364 8804 7879 06", "abcdxy" + "cdxy"],
  ["a medium distance, over itself", "e161 a80500 62 06", "ab" + "bbbb"],
  ["a large distance", "e461626364 070400 06", "abcdabc"],
  ["the distance before, with a literal", "e461626364 0004 4678 06", "abcdabcxabc"],
  ["few more of the same distance", "e461626364 0004 f2 06", "abcdabcda"],
  ["many more of the same distance", "e161 0001 f003 06", "a".repeat(1 + 3 + 19)],
];

for (const [name, hex, decoded] of instructions) {
  const encoded = Buffer.from(hex.replaceAll(" ", ""), "hex");
  test(`LZVN: ${name}`, () => {
    assert.equal(decodeLzvn(encoded, MOST).toString(), decoded);
    const end = encoded.lastIndexOf(6);
    for (let cut = 0; cut < end; cut += 1) assert.throws(() => decodeLzvn(encoded.subarray(0, cut), MOST), Implausible);
    assert.throws(() => decodeLzvn(encoded, decoded.length - 1), Implausible);
  });
}

test("in the attribute: stored, zlib, zlib that did not help, LZVN, LZVN that did not help", async () => {
  const [, hex, decoded] = instructions[0]!;
  const cases: [number, Buffer, Buffer][] = [
    [1, text, text],
    [3, deflateSync(text), text],
    [3, Buffer.concat([Buffer.of(0xff), text]), text],
    [7, Buffer.from(hex, "hex"), Buffer.from(decoded)],
    [7, Buffer.concat([Buffer.of(0x06), text]), text],
  ];
  for (const [kind, data, expected] of cases)
    assert.deepEqual(await decompressed(attribute(kind, expected.length, data), none, MOST), expected);
});

test("in the resource fork, in chunks", async () => {
  const chunks = [deflateSync(Buffer.alloc(65_536, 1)), Buffer.concat([Buffer.of(0x0f), text])];
  const table = Buffer.alloc(4 + chunks.length * 8);
  table.writeUInt32LE(chunks.length, 0);
  let at = table.length;
  for (const [index, chunk] of chunks.entries()) {
    table.writeUInt32LE(at, 4 + index * 8);
    table.writeUInt32LE(chunk.length, 8 + index * 8);
    at += chunk.length;
  }
  const header = Buffer.alloc(256 + 4);
  header.writeUInt32BE(256, 0);
  header.writeUInt32BE(at, 256);
  const zlib = Buffer.concat([header, table, ...chunks]);
  const expected = Buffer.concat([Buffer.alloc(65_536, 1), text]);
  assert.deepEqual(await decompressed(attribute(4, expected.length), async () => zlib, MOST), expected);
  const places = Buffer.alloc(12);
  const stored = [Buffer.concat([Buffer.of(0x06), Buffer.alloc(65_536, 2)]), Buffer.concat([Buffer.of(0x06), text])];
  places.writeUInt32LE(12, 0);
  places.writeUInt32LE(12 + stored[0]!.length, 4);
  places.writeUInt32LE(12 + stored[0]!.length + stored[1]!.length, 8);
  const inLzvn = Buffer.concat([places, ...stored]);
  const whole = Buffer.concat([Buffer.alloc(65_536, 2), text]);
  assert.deepEqual(await decompressed(attribute(8, whole.length), async () => inLzvn, MOST), whole);
});

test("what is not known is told, and any bytes decode or are refused", async () => {
  await assert.rejects(decompressed(attribute(11, 5), none, MOST), { code: "COMPRESSED_UNKNOWN" });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 3, 4, 7, 8),
      fc.nat(300),
      fc.uint8Array(),
      fc.uint8Array(),
      async (kind, size, data, fork) => {
        try {
          await decompressed(attribute(kind, size, data), async () => Buffer.from(fork), MOST);
        } catch (error) {
          assert(error instanceof Implausible || error instanceof Fault, String(error));
        }
      },
    ),
  );
});
