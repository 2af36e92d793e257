import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeDhcpPacket, encodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { checkVector } from "../../../scripts/vectors/check.ts";
import type { Json, JsonObject, Vector, VectorFile } from "../../../scripts/vectors/index-file.ts";
import { isObject, readVectorFile, vectorFileOf } from "../../../scripts/vectors/index-file.ts";
import { hexOf } from "../../../scripts/vectors/verdict.ts";

const known = fileURLToPath(new URL("../../vectors/packets.json", import.meta.url));
const script = fileURLToPath(new URL("../../../scripts/vectors.ts", import.meta.url));
const file = await readVectorFile(known);
const named = (name: string): Vector => file.vectors.find((vector) => vector.name === name)!;
const home = await mkdtemp(join(tmpdir(), "bootcast-vectors-test-"));
after(() => rm(home, { recursive: true, force: true }));

for (const vector of file.vectors) {
  test(`vector ${vector.name}`, async () => {
    const { differences, notChecked } = await checkVector(vector, file.server);
    assert.deepEqual(differences, []);
    assert.deepEqual(notChecked, []);
  });
}

// The checker itself. -------------------------------------------------------------------------------------------------

/** Every leaf of an expectation, changed by itself. Remarks are for people. */
function* withOneChange(value: Json): Generator<Json> {
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      for (const changed of withOneChange(item)) yield value.with(at, changed);
    }
    yield [...value, "one more"];
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (key === "note") continue;
      for (const changed of withOneChange(item)) yield { ...value, [key]: changed };
    }
  } else if (typeof value === "boolean") yield !value;
  else if (typeof value === "number") yield value + 1;
  else yield `${value}0`;
}

test("an expectation that is changed in any one place fails", async () => {
  let count = 0;
  for (const vector of file.vectors) {
    // Where there must be an error its text is for people: only whether there is one can be wrong.
    if ("error" in vector.expect || "bsdpError" in vector.expect) continue;
    const { serverBehaviour: _, ...packet } = vector;
    for (const expect of withOneChange(vector.expect)) {
      // The server's answer is tried on real sockets: once below, not here for every leaf.
      if ("serverReply" in vector.expect) continue;
      const { differences } = await checkVector({ ...packet, expect: expect as JsonObject }, file.server);
      assert.notDeepEqual(differences, [], `${vector.name}: ${JSON.stringify(expect).slice(0, 2000)}`);
      count += 1;
    }
  }
  assert(count > 3000, `${count} changes were tried`);
});

test("a reply of another server with any one byte changed fails", async () => {
  const reply = named("ack-select-nfs");
  for (const at of reply.bytes.keys()) {
    // This one field is free.
    if (at >= 44 && at < 108) continue;
    const bytes = Uint8Array.from(reply.bytes);
    bytes[at] = bytes[at]! ^ 1;
    const { differences } = await checkVector({ ...reply, bytes }, file.server);
    assert.notDeepEqual(differences, [], `byte ${at}`);
  }
});

const wrong: readonly (readonly [name: string, behaviour: Json])[] = [
  ["inform-list-startup-disk", { action: "ignore", why: "reply port is not below 1024" }],
  ["inform-list-startup-disk", { action: "reply", toAddress: "10.0.1.50", toPort: 68, message: "ACK[LIST]" }],
  ["inform-list-startup-disk", { action: "reply", toAddress: "10.0.1.51", message: "ACK[LIST]" }],
  ["inform-list-startup-disk", { action: "reply", fromPort: 68, message: "ACK[LIST]" }],
  ["inform-list-startup-disk", { action: "reply", message: "ACK[SELECT]" }],
  ["inform-select-startup-disk", { action: "reply", message: "ACK[LIST]" }],
  ["neg-reply-port-1024", { action: "reply", message: "ACK[LIST]" }],
  ["inform-list-startup-disk", { action: "ignore", why: "sname names another server" }],
  ["fw-discover-i386", { action: "ignore", why: "reply port is not below 1024" }],
  ["neg-reply-port-1024", { action: "ignore-unless-bound" }],
  ["neg-select-no-server-id", { action: "ignore", why: "server identifier", sideEffect: "delete any stored binding" }],
  ["fw-inform-list-no-option57", { action: "reply", message: "ACK[LIST] limited to 400 bytes of DHCP message" }],
  ["ovmf-x64-discover", "no answer"],
  ["ovmf-x64-request", "OFFER"],
  ["ovmf-x64-discover", { action: "reply", message: "ACK" }],
  ["shim-rrq-revocations-sku", "ERROR 2"],
  ["shim-rrq-grubx64", "dropped"],
  ["ovmf-ack-1", "ERROR 4"],
  ["ovmf-http-head", "206 with Content-Length"],
  ["ovmf-http-get", "200 with no body"],
];

for (const [name, serverBehaviour] of wrong) {
  test(`${name} does not pass with the behaviour ${JSON.stringify(serverBehaviour)}`, async () => {
    const { differences } = await checkVector({ ...named(name), serverBehaviour }, file.server);
    assert.notDeepEqual(differences, []);
  });
}

const right: readonly (readonly [name: string, behaviour: Json])[] = [
  ["ovmf-x64-discover", "OFFER"],
  ["ovmf-x64-4011-request", { action: "reply", toAddress: "10.77.0.199", toPort: 4011, message: "ACK" }],
  ["ovmf-x64-request", "a proxy must not answer: ignored"],
  ["ovmf-rrq-download", "OACK"],
  ["rfc-rrq-plain", "DATA 1"],
  ["ovmf-ack-1", "ignored: no such transfer"],
  ["ovmf-error-abort-after-size", "never answered"],
];

for (const [name, serverBehaviour] of right) {
  test(`${name} passes with the behaviour ${JSON.stringify(serverBehaviour)}`, async () => {
    const { differences, notChecked } = await checkVector({ ...named(name), serverBehaviour }, file.server);
    assert.deepEqual({ differences, notChecked }, { differences: [], notChecked: [] });
  });
}

const tftp = (text: string, expect: JsonObject): Vector => {
  return { name: "t", family: "tftp", kind: "constructed", layer: "udp-payload", bytes: Buffer.from(text), expect };
};

const further: readonly (readonly [text: string, expect: JsonObject])[] = [
  ["\0\x01../../etc/passwd\0octet\0", { opcode: 1, path: null, serverReply: { opcode: 5, errorCode: 2 } }],
  [
    "\0\x01x\0octet\0blksize\x007\0",
    { options: [["blksize", "7"]], serverReply: { opcode: 3, block: 1, dataLength: 512 } },
  ],
  ["\0\x01x\0octet\0blksize\x0065464\0", { serverReply: { opcode: 6, options: [["blksize", "1468"]] } }],
  ["\0\x01x\0octet\0BLKSIZE\x008\0BlkSize\x009\0", { options: [["blksize", "8"]] }],
  ["\0\x01x\0octet\0what\x008\0", { serverReply: { opcode: 3, block: 1 } }],
  ["\0\x03\0\x07abc", { opcode: 3, block: 7, data: "616263", dataLength: 3, serverReply: null }],
  ["\0\x09\0\0", { error: true, serverReply: null }],
  ["\0\0\0\0", { error: true, serverReply: null }],
  ["\0\x05", { error: true, serverReply: null }],
  [
    "\0\x01x\0octet\0tsize\x000\0blksize\x001468\0",
    {
      serverReply: {
        opcode: 6,
        options: [
          ["blksize", "1468"],
          ["tsize", "173792"],
        ],
      },
    },
  ],
  ["\0\x01x\0octet\0", { serverReply: { opcode: 3, block: 1, dataLength: 100 } }],
  ["\0\x04\0\x07", { opcode: 4, serverReply: { opcode: 5, errorCode: 5 } }],
  ["\0\x05\0\x01abc", { error: true }],
  ["\0\x05\0\x01abc", { opcode: 5, errorCode: 1, message: "abc" }],
  [`\0\x01${"a".repeat(600)}\0octet\0`, { error: "longer than 512 bytes" }],
  ["\0\x02x\0octet\0", { opcode: 2, file: "x", serverReply: { opcode: 5, errorCode: 2 } }],
];

for (const [text, expect] of further) {
  test(`TFTP ${JSON.stringify(text)}`, async () => {
    const { differences, notChecked } = await checkVector(tftp(text, expect), file.server);
    assert.deepEqual({ differences, notChecked }, { differences: [], notChecked: [] });
  });
}

const edge = named("fw-inform-list-port68");
/** The visible request with other sub-options in its one option 43, and another behaviour. */
const withSubOptions = (hexText: string, why: string): Vector => {
  const { options } = decodeDhcpPacket(edge.bytes);
  const data = Buffer.from(hexText, "hex");
  const packet = {
    ...decodeDhcpPacket(edge.bytes),
    options: options.map((one) => (one.code === 43 ? { ...one, data } : one)),
  };
  return { ...edge, bytes: encodeDhcpPacket(packet), expect: {}, serverBehaviour: { action: "ignore", why } };
};

for (const [why, subOptions] of [
  ["no image has these attributes: no reply at all", "010101020201010b028100"],
  ["nothing is left after the filter", "010101020201010b020300"],
  ["model not in EnabledSystemIdentifiers", "01010102020101"],
  ["MAC not allowed", "01010102020101"],
  ["secs is below the configured threshold", "01010102020101"],
  ["FAILED is not a request", "01010302020101"],
  ["old NetBoot is not enabled", "010101020201010a00"],
] as const) {
  test(`a request that is ignored because ${why}`, async () => {
    const { differences, notChecked } = await checkVector(withSubOptions(subOptions, why), file.server);
    assert.deepEqual({ differences, notChecked }, { differences: [], notChecked: [] });
  });
}

test("a list that the packing function filled for a client bound to an image elsewhere", async () => {
  const list = named("ack-list-one");
  const packet = decodeDhcpPacket(list.bytes);
  const data = Buffer.from(`${hexOf(packet.options.at(-1)!.data.subarray(0, 13))}080401000099`, "hex");
  const rest = packet.options.at(-1)!.data.subarray(13);
  const bytes = encodeDhcpPacket({
    ...packet,
    options: [...packet.options.slice(0, -1), { code: 43, data: Buffer.concat([data, rest]) }],
  });
  const expect = { bsdp: { messageType: "LIST", selectedImage: { id: "0x01000099" } } };
  assert.deepEqual((await checkVector({ ...list, bytes, expect }, file.server)).differences, []);
});

test("what nobody can try is told and fails nothing", async () => {
  const vector = { ...named("rfc-ack-65535"), expect: { opcode: 4, colour: "blue" }, serverBehaviour: "be kind" };
  const { differences, notChecked } = await checkVector(vector, file.server);
  assert.deepEqual(differences, []);
  assert.deepEqual(notChecked, ["colour (no such thing is known)", "serverBehaviour: be kind"]);
});

test("hexadecimal text in upper case, numbers as text, and null for nothing mean the same", async () => {
  const { bytes, expect, ...rest } = named("fw-inform-list-port68");
  const spelled: JsonObject = {
    ...expect,
    xid: "3903F326",
    op: "1",
    chaddr: "00:17:F2:A1:B2:C3",
    options: [[53, "08"], [55, "2B3C"], [57, "05DC"], ...(expect["options"] as Json[]).slice(3)],
    rootPath: null,
  };
  assert.deepEqual((await checkVector({ ...rest, bytes, expect: spelled }, file.server)).differences, []);
  const wrong = { ...spelled, op: "2", vendorClass: null };
  assert.equal((await checkVector({ ...rest, bytes, expect: wrong }, file.server)).differences.length, 2);
});

test("a layer that nobody knows fails", async () => {
  const { differences } = await checkVector({ ...named("rfc-ack-65535"), layer: "option12" }, file.server);
  assert.equal(differences.length, 1);
});

// The command. --------------------------------------------------------------------------------------------------------

type Raw = { name: string; hex: string; expect: Record<string, Json> };

async function run(content: unknown): Promise<{ code: number; out: string; err: string }> {
  const path = join(home, "index.json");
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return new Promise((resolve) => {
    execFile(process.execPath, [script, path], { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function rawFile(): Promise<{ format: number; server: Json; vectors: Raw[] }> {
  const { default: raw } = await import(known, { with: { type: "json" } });
  return structuredClone(raw);
}

test("a changed byte and a changed expectation fail with their names, and nothing else does", async () => {
  const raw = await rawFile();
  const byte = raw.vectors.find((vector) => vector.name === "fog-ack-select-netboot001")!;
  byte.hex = byte.hex.replace(/^.{4}../, (start) => `${start.slice(0, 4)}07`);
  raw.vectors.find((vector) => vector.name === "ipxe-efi-rrq")!.expect["mode"] = "netascii";
  const { code, out } = await run(raw);
  assert.equal(code, 1);
  const names = [...out.matchAll(/^FAILED {2}(\S+)$/gm)].map((match) => match[1]);
  assert.deepEqual(names, [byte.name, "ipxe-efi-rrq"]);
  assert.match(out, /mode: wanted "netascii", found "octet"/);
  assert.equal(out.trimEnd().split("\n").at(-1), `${raw.vectors.length - 2} passed, 2 failed`);
});

test("without a failure the exit code is 0 and the last line is the count", async () => {
  const raw = await rawFile();
  const { code, out } = await run({ ...raw, vectors: raw.vectors.slice(0, 10) });
  assert.deepEqual({ code, out }, { code: 0, out: "10 passed, 0 failed\n" });
});

const unusable: readonly (readonly [what: string, content: unknown, why: RegExp])[] = [
  ["no JSON", "{", /no JSON/],
  ["another form", { format: 2, vectors: [] }, /"format" is 2/],
  ["no list", { format: 1 }, /no list "vectors"/],
  ["a number", 7, /neither an object nor a list/],
];

for (const [what, content, why] of unusable) {
  test(`a file with ${what} is refused with exit code 2`, async () => {
    const { code, out, err } = await run(content);
    assert.deepEqual({ code, out }, { code: 2, out: "" });
    assert.match(err, why);
  });
}

test("what is no vector fails by itself, and the others are tried", async () => {
  const good = {
    name: "good",
    family: "tftp",
    kind: "k",
    layer: "udp-payload",
    hex: "0004 00 FF",
    expect: { block: 255 },
  };
  const { code, out } = await run({
    format: 1,
    vectors: [
      { ...good, name: "odd digits", hex: "012" },
      { ...good, name: "no expectation", expect: null },
      { ...good, name: "no layer", layer: 7 },
      "a text",
      { ...good, transport: null, input: null, requestHex: null, serverBehaviour: null },
      good,
    ],
  });
  assert.equal(code, 1);
  const names = [...out.matchAll(/^FAILED {2}(.*)$/gm)].map((match) => match[1]);
  assert.deepEqual(names, ["odd digits", "no expectation", "no layer", "entry 4"]);
  assert.equal(out.trimEnd().split("\n").at(-1), "2 passed, 4 failed");
});

test("a list of vectors without anything around it is tried, too", async () => {
  const { code, out } = await run((await rawFile()).vectors.slice(0, 10));
  assert.deepEqual({ code, out }, { code: 0, out: "10 passed, 0 failed\n" });
});

test("twenty megabytes are tried within the deadline", async () => {
  const one = { name: "a", family: "tftp", kind: "k", layer: "udp-payload", hex: `0003 0001${"00".repeat(512)}` };
  const vectors = Array.from({ length: 18_000 }, () => ({ ...one, expect: { block: 1, dataLength: 512 } }));
  const { code, out } = await run({ format: 1, vectors });
  assert.deepEqual({ code, out }, { code: 0, out: "18000 passed, 0 failed\n" });
});

test("a request that is only named is looked up", () => {
  const vector = (name: string, more: JsonObject) => {
    return { name, family: "bsdp", kind: "oracle", layer: "udp-payload", hex: "01", expect: {}, ...more };
  };
  const made: VectorFile = vectorFileOf(
    { format: 1, vectors: [vector("reply", { request: "asked", input: {} }), vector("asked", { hex: "0203" })] },
    "x",
  );
  assert.deepEqual([...made.vectors[0]!.requestBytes!], [2, 3]);
});
