import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MOST_READ_BYTES, type NbdAction, NbdSession } from "../../../server/images/nbd-session.ts";

const disk = { name: "lab:1", sizeBytes: 1_000_000_000_000 };
/** More than it may ever hold, less than an attacker wants. */
const MOST_HELD_BYTES = 9000;

/** Hex with spaces, or text in quotes. */
function bytes(...parts: string[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      part.startsWith('"') ? Buffer.from(part.slice(1, -1)) : Buffer.from(part.replaceAll(" ", ""), "hex"),
    ),
  );
}

const flags = bytes("00000003");
const go = bytes('"IHAVEOPT"', "00000007 00000006", "00000000 0000");
const read = (cookie: number, offset: bigint, length: number) => request(0, cookie, offset, length);

function request(command: number, cookie: number, offset: bigint, length: number): Buffer {
  const packet = bytes("25609513 0000 0000 0000000000000000 0000000000000000 00000000");
  packet.writeUInt16BE(command, 6);
  packet.writeBigUInt64BE(BigInt(cookie), 8);
  packet.writeBigUInt64BE(offset, 16);
  packet.writeUInt32BE(length, 24);
  return packet;
}

/** What was sent as hex, what is to be read, and how it ended. */
function shown(actions: Iterable<NbdAction>): string[] {
  return [...actions].map((action) => {
    if (action.type === "send") return Buffer.from(action.bytes).toString("hex");
    if (action.type === "read") return `read ${action.cookie} ${action.offset}+${action.length}`;
    return `close ${action.reason ?? ""}`.trim();
  });
}

function answer(...parts: Buffer[]): string[] {
  return shown(new NbdSession(disk, 0).onBytes(Buffer.concat(parts)));
}

const reply = (option: string, kind: string, content = "") =>
  `0003e889045565a9${option}${kind}${(content.length / 2).toString(16).padStart(8, "0")}${content}`;
const size = "000000e8d4a51000";

test("hello", () => {
  const hello = Buffer.from(new NbdSession(disk, 0).hello());
  assert.deepEqual(hello, bytes('"NBDMAGICIHAVEOPT"', "0003"));
});

test("GO gives the size and read-only, then requests are taken", () => {
  assert.deepEqual(answer(flags, go, read(7, 4096n, 512)), [
    reply("00000007", "00000003", `0000${size}0103`),
    reply("00000007", "00000001"),
    "read 7 4096+512",
  ]);
});

test("INFO with block sizes and name does not begin the transmission", () => {
  const info = bytes('"IHAVEOPT"', "00000006 0000000f", "00000005", '"lab:1"', "0002 0003 0001");
  const list = bytes('"IHAVEOPT"', "00000003 00000000");
  assert.deepEqual(answer(flags, info, list), [
    reply("00000006", "00000003", `0000${size}0103`),
    reply("00000006", "00000003", `0001${Buffer.from("lab:1").toString("hex")}`),
    reply("00000006", "00000003", "0003000000010001000002000000"),
    reply("00000006", "00000001"),
    reply("00000003", "00000002", `00000005${Buffer.from("lab:1").toString("hex")}`),
    reply("00000003", "00000001"),
  ]);
});

test("EXPORT_NAME, with and without the 124 zeros", () => {
  const name = bytes('"IHAVEOPT"', "00000001 00000005", '"lab:1"');
  assert.deepEqual(answer(flags, name), [`${size}0103`]);
  assert.deepEqual(answer(bytes("00000001"), name), [`${size}0103${"00".repeat(124)}`]);
  const other = bytes('"IHAVEOPT"', "00000001 00000001", '"x"');
  assert.deepEqual(answer(flags, other), ["close it asked for another disk"]);
});

test("what it does not offer is refused, and the negotiation goes on", () => {
  const option = (number: string, content: string) =>
    bytes('"IHAVEOPT"', number, (content.length / 2).toString(16).padStart(8, "0"), content);
  const refused = [
    [option("00000005", ""), reply("00000005", "80000001")], // STARTTLS
    [option("00000008", ""), reply("00000008", "80000001")], // structured replies
    [option("00000003", "00"), reply("00000003", "80000003")], // LIST has no content
    [option("00000007", "ffffffff0000"), reply("00000007", "80000003")],
    [option("00000007", "00000000ffff"), reply("00000007", "80000003")],
  ] as const;
  for (const [sent, expected] of refused) assert.deepEqual(answer(flags, sent, go).slice(0, -2), [expected]);
  const unknown = answer(flags, option("00000007", "00000001780000"))[0]!;
  assert.equal(unknown.slice(0, 32), reply("00000007", "80000006").slice(0, 32));
  const abort = option("00000002", "");
  assert.deepEqual(answer(flags, abort, go), [reply("00000002", "00000001"), "close"]);
});

test("broken negotiations are closed", () => {
  assert.deepEqual(answer(bytes("00000007")), ["close it sent unknown handshake flags"]);
  assert.deepEqual(answer(flags, Buffer.from("GET / HTTP/1.1\r\n\r\n")), [
    "close it sent no option where one should be",
  ]);
  const long = bytes('"IHAVEOPT"', "00000007 ffffffff");
  assert.deepEqual(answer(flags, long), ["close it sent an option that is too long"]);
  const many = Array.from({ length: 1000 }, () => bytes('"IHAVEOPT"', "00000008 00000000"));
  const answers = answer(flags, ...many);
  assert.deepEqual([answers.length, answers.at(-1)], [65, "close it sent too many options"]);
});

test("requests that cannot be: each gets its error, and nothing outside is read", () => {
  const error = (code: number, cookie: number) =>
    `67446698${code.toString(16).padStart(8, "0")}${cookie.toString(16).padStart(16, "0")}`;
  const end = BigInt(disk.sizeBytes);
  const after = (...requests: Buffer[]) => answer(flags, go, ...requests).slice(2);
  assert.deepEqual(after(read(1, end - 1n, 1)), ["read 1 999999999999+1"]);
  assert.deepEqual(after(read(1, end, 1)), [error(22, 1)]);
  assert.deepEqual(after(read(1, 2n ** 64n - 1n, 1)), [error(22, 1)]);
  assert.deepEqual(after(read(1, 0n, 0)), [error(22, 1)]);
  assert.deepEqual(after(read(1, 0n, MOST_READ_BYTES)), [`read 1 0+${MOST_READ_BYTES}`]);
  assert.deepEqual(after(read(1, 0n, MOST_READ_BYTES + 1)), [error(22, 1)]);
  // The content of a write is passed over, also when it looks like a request.
  assert.deepEqual(after(request(1, 2, 0n, 28), read(3, 0n, 1), read(4, 0n, 1)), [error(1, 2), "read 4 0+1"]);
  assert.deepEqual(after(request(1, 2, 0n, 2 ** 32 - 1)), ["close it sent a write that is too long"]);
  assert.deepEqual(after(request(4, 5, 0n, 4096), request(3, 6, 0n, 0)), [error(22, 5), error(22, 6)]);
  assert.deepEqual(after(request(2, 0, 0n, 0), read(3, 0n, 1)), ["close"]);
  assert.deepEqual(after(Buffer.alloc(28)), ["close it sent no request where one should be"]);
});

test("any pieces of the same bytes are answered alike", () => {
  const list = bytes('"IHAVEOPT"', "00000003 00000000");
  const all = Buffer.concat([
    flags,
    list,
    go,
    request(1, 2, 0n, 1000),
    Buffer.alloc(1000),
    read(3, 5n, 6),
    request(2, 0, 0n, 0),
  ]);
  const whole = answer(all);
  assert.equal(whole.at(-1), "close");
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (lengths) => {
      const session = new NbdSession(disk, 0);
      const seen: string[] = [];
      for (let at = 0, piece = 0; at < all.length; piece += 1) {
        const length = lengths[piece % lengths.length]!;
        seen.push(...shown(session.onBytes(all.subarray(at, at + length))));
        at += length;
      }
      assert.deepEqual(seen, whole);
    }),
  );
});

test("any bytes, at any stage: no crash, little memory, short answers", () => {
  const start = fc.constantFrom([], [flags], [flags, go], [flags, go, request(1, 9, 0n, 100)]);
  const junk = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(flags, go, read(1, 0n, 4096), bytes('"IHAVEOPT"')),
      fc.tuple(fc.nat(12), fc.nat(9000), fc.uint8Array({ maxLength: 400 })).map(([option, length, content]) => {
        const head = bytes('"IHAVEOPT"', "00000000 00000000");
        head.writeUInt32BE(option, 8);
        head.writeUInt32BE(length, 12);
        return Buffer.concat([head, content]);
      }),
      fc
        .tuple(fc.nat(9), fc.bigInt(0n, 2n ** 64n - 1n), fc.nat())
        .map(([command, at, length]) => request(command, 1, at, length)),
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(start, junk, (begin, pieces) => {
      const session = new NbdSession(disk, 0);
      for (const piece of [...begin, ...pieces]) {
        for (const action of session.onBytes(piece)) {
          if (action.type === "send") assert(action.bytes.length < 200);
          if (action.type === "read") {
            assert(action.length > 0 && action.length <= MOST_READ_BYTES);
            assert(action.offset >= 0 && action.offset + action.length <= disk.sizeBytes);
          }
        }
        assert(session.heldBytes < MOST_HELD_BYTES);
      }
    }),
    { numRuns: 500 },
  );
});

test("deadlines: of the negotiation, of a request that was begun, none between two", () => {
  const session = new NbdSession(disk, 1000);
  const take = (sent: Buffer) => shown(session.onBytes(sent));
  assert.equal(session.deadline(1000), 31_000);
  take(flags);
  assert.equal(session.deadline(20_000), 31_000);
  take(go);
  assert.equal(session.deadline(30_000), undefined);
  take(read(1, 0n, 1).subarray(0, 10));
  assert.equal(session.deadline(40_000), 100_000);
  take(read(1, 0n, 1).subarray(10, 20));
  assert.equal(session.deadline(90_000), 100_000);
  take(read(1, 0n, 1).subarray(20));
  assert.equal(session.deadline(95_000), undefined);
  take(request(1, 2, 0n, 100));
  assert.equal(session.deadline(200_000), 260_000);
});
