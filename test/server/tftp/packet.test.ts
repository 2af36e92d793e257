import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { pathOfName } from "../../../server/tftp/file-names.ts";
import { decodeTftp, encodeTftp, isRequest, type TftpPacket } from "../../../server/tftp/packet.ts";

type Vector = {
  readonly name: string;
  readonly hex: string;
  readonly expect: {
    readonly opcode?: number;
    readonly error?: boolean;
    readonly file?: string;
    readonly mode?: string;
    readonly options?: [string, string][];
    readonly block?: number;
    readonly errorCode?: number;
    readonly message?: string;
    readonly path?: string;
  };
};

const vectors: Vector[] = JSON.parse(readFileSync(new URL("../../vectors/tftp.json", import.meta.url), "utf8"));
const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 };

for (const { name, hex, expect } of vectors) {
  const bytes = Buffer.from(hex, "hex");
  if (expect.error === true) {
    test(`tftp packet: ${name} is refused`, () => {
      assert.throws(() => decodeTftp(bytes), { code: "TFTP_MALFORMED" });
    });
    continue;
  }
  test(`tftp packet: ${name}`, () => {
    const packet = decodeTftp(bytes);
    const { errorCode, path, ...facts } = expect;
    for (const [key, value] of Object.entries({ ...facts, ...(errorCode === undefined ? {} : { code: errorCode }) })) {
      if (key === "serverReply") continue;
      const actual = key === "opcode" ? opcodes[packet.type] : packet[key as keyof TftpPacket];
      assert.deepEqual(actual, value, key);
    }
    if (path !== undefined) assert.equal(packet.type === "read" && pathOfName(packet.file), path);
  });
  if (!name.includes("upper-case")) {
    test(`tftp packet: ${name} is written back byte by byte`, () => {
      assert.equal(Buffer.from(encodeTftp(decodeTftp(bytes))).toString("hex"), hex);
    });
  }
  test(`tftp packet: ${name}, every cut`, () => {
    const whole = decodeTftp(bytes);
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const part = bytes.subarray(0, cut);
      // A request may be cut exactly behind its mode or behind an option: that is a smaller request. An ERROR needs
      // no terminator. Everything else must be refused.
      const isWhole = whole.type === "error" ? cut >= 4 : isCutBetweenOptions(whole, part);
      if (isWhole) assert.doesNotThrow(() => decodeTftp(part), `cut at ${cut}`);
      else assert.throws(() => decodeTftp(part), { code: "TFTP_MALFORMED" }, `cut at ${cut}`);
    }
  });
}

function isCutBetweenOptions(whole: TftpPacket, part: Uint8Array): boolean {
  if (whole.type !== "read" && whole.type !== "write" && whole.type !== "oack") return false;
  if (part.length < 4 || part.at(-1) !== 0) return false;
  const texts = part.subarray(2).filter((byte) => byte === 0).length;
  return texts % 2 === 0;
}

test("tftp packet: any bytes decode or are refused, never anything else", () => {
  const anyPacket = fc
    .tuple(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 80 }))
    .map(([opcode, rest]) => Buffer.concat([Buffer.from([0, opcode]), rest]));
  fc.assert(
    fc.property(fc.oneof(anyPacket, fc.uint8Array()), (bytes) => {
      try {
        decodeTftp(bytes);
      } catch (error) {
        assert(error instanceof Fault);
        assert.equal(error.code, "TFTP_MALFORMED");
      }
    }),
  );
});

// Plain objects, as the codec makes them.
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true });

test("tftp packet: what is written is read back", () => {
  const text = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 30,
  });
  const lower = fc.string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz"), minLength: 1, maxLength: 12 });
  const options = fc.uniqueArray(fc.tuple(lower, text), { selector: ([name]) => name, maxLength: 5 });
  const uint16 = fc.integer({ min: 0, max: 65535 });
  const packets: fc.Arbitrary<TftpPacket> = fc.oneof(
    record({ type: fc.constantFrom("read" as const, "write" as const), file: text, mode: lower, options }),
    record({ type: fc.constant("data" as const), block: uint16, data: fc.uint8Array().map((b) => Buffer.from(b)) }),
    record({ type: fc.constant("ack" as const), block: uint16 }),
    record({ type: fc.constant("error" as const), code: uint16, message: text }),
    record({ type: fc.constant("oack" as const), options: fc.constant([["blksize", "1468"]] as [string, string][]) }),
  );
  fc.assert(fc.property(packets, (packet) => assert.deepEqual(decodeTftp(encodeTftp(packet)), packet)));
});

test("tftp packet: of a repeated option the first counts", () => {
  const bytes = Buffer.from("\0\x01f\0octet\0blksize\x001000\0BLKSIZE\x002000\0", "latin1");
  const packet = decodeTftp(bytes);
  assert.deepEqual(packet.type === "read" && packet.options, [["blksize", "1000"]]);
});

test("tftp packet: an ACK that was padded to the Ethernet minimum is an ACK", () => {
  assert.deepEqual(decodeTftp(Buffer.from(`00040007${"00".repeat(14)}`, "hex")), { type: "ack", block: 7 });
});

test("tftp packet: only requests may be answered when they are malformed", () => {
  assert.equal(isRequest(Buffer.from("\0\x01boot", "latin1")), true);
  assert.equal(isRequest(Buffer.from("\0\x02boot", "latin1")), true);
  for (const opcode of [0, 3, 4, 5, 6, 7]) assert.equal(isRequest(Buffer.from([0, opcode])), false);
  assert.equal(isRequest(new Uint8Array()), false);
});

test("a request of more than 512 bytes is refused (RFC 2347)", () => {
  const request = (bytes: number) => Buffer.from(`\0\x01${"a".repeat(bytes - 9)}\0octet\0`, "latin1");
  assert.equal(decodeTftp(request(512)).type, "read");
  assert.throws(() => decodeTftp(request(513)), { code: "TFTP_MALFORMED" });
});
