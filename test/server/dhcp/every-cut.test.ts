import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import type { Arrival } from "../../../bsdp/proxy.ts";
import { Fault } from "../../../fault.ts";
import { networksFrom } from "../../../server/dhcp/network.ts";
import type { DhcpSettings } from "../../../server/dhcp/settings.ts";
import { pathOfName } from "../../../server/tftp/file-names.ts";
import { negotiate } from "../../../server/tftp/negotiation.ts";
import { decodeTftp, encodeTftp, type TftpPacket } from "../../../server/tftp/packet.ts";
import { ReadTransfer, type TransferAction } from "../../../server/tftp/read-transfer.ts";
import { bytesOf, packetVectors } from "../../bsdp/packet-vectors.ts";
import { assertAllowed, largestAnswer } from "./answer-rules.ts";
import { answererWith, on, oneMacImage } from "./answerer.ts";
import { memoryLeases } from "./memory-leases.ts";

const seed = 20_261_122;

/** A real answerer on a clock that the test moves, in one mode. */
function answererIn(mode: "proxy" | "full", policy: BootPolicy) {
  const clock = { nowMs: 1_000_000 };
  const full = { pools: ["10.77.0.50-10.77.0.99"], leaseSeconds: 600, leases: memoryLeases(), checksAddresses: false };
  const answerer = answererWith({
    mode,
    policyOf: async () => policy,
    bootFiles: {
      ...oneMacImage,
      macImages: [
        { index: 137, name: "Re-image", bootFile: "nbi/booter", architectures: ["i386", "ppc"] },
        { index: 138, name: "NetBoot", bootFile: "nbi/other", isInstall: false },
      ],
    },
    ...(mode === "full" ? { full } : {}),
    macs: { boundImageOf: async () => ({ id: 0x81000089, untilMs: Number.MAX_SAFE_INTEGER }) },
    now: () => clock.nowMs,
  });
  return {
    /** Every packet has a time of its own: neither the limit of answers nor the loop guard hides what would be said. */
    async answer(bytes: Uint8Array, arrival: Arrival) {
      clock.nowMs += 400_000;
      return answerer.answer(bytes, arrival, ...networkArguments(mode, full));
    },
    answerer,
  };
}

function networkArguments(mode: "proxy" | "full", full: NonNullable<DhcpSettings["full"]>) {
  return mode === "full" ? ([networksFrom(on, full)] as const) : ([] as const);
}

const arrivals: readonly Arrival[] = [67, 4011].map((port) => ({
  port,
  serverAddress: port === 67 ? "10.0.1.5" : "10.77.0.1",
  source: { address: "10.77.0.199", port: port === 67 ? 68 : 4011 },
}));

const dhcpPackets = packetVectors
  .filter((vector) => vector.layer === "udp-payload" && vector.family !== "tftp")
  .map((vector) => ({ name: vector.name, bytes: bytesOf(vector.hex) }));
const tftpPackets = packetVectors
  .filter((vector) => vector.family === "tftp")
  .map((vector) => ({ name: vector.name, bytes: bytesOf(vector.hex) }));

for (const mode of ["proxy", "full"] as const) {
  test(`${mode}: every cut of every packet is answered as allowed, or not at all`, async () => {
    const { answer } = answererIn(mode, { boot: "agent" });
    let answered = 0;
    for (const { name, bytes } of dhcpPackets) {
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const part = bytes.subarray(0, cut);
        for (const arrival of arrivals) {
          const said = await answer(part, arrival);
          if (said === undefined) continue;
          answered += 1;
          try {
            assertAllowed(part, arrival, said, mode);
            assert(said.bytes.length <= largestAnswer(part), "longer than the client can take");
          } catch (error) {
            throw new Error(`${name}, cut at ${cut}, port ${arrival.port}`, { cause: error });
          }
        }
      }
    }
    assert(answered > 100, `${answered} answers`);
  });

  test(`${mode}: packets with any bytes changed are answered as allowed, or not at all`, async () => {
    const { answer } = answererIn(mode, { boot: "agent" });
    const change = fc.record({ at: fc.nat(), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...dhcpPackets),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...arrivals),
        async ({ bytes }, changes, arrival) => {
          const damaged = Uint8Array.from(bytes);
          for (const { at, value } of changes) damaged[at % damaged.length] = value;
          const said = await answer(damaged, arrival);
          if (said !== undefined) assertAllowed(damaged, arrival, said, mode);
        },
      ),
      { numRuns: 3000, seed },
    );
  });

  test(`${mode}: any options behind a right header are answered as allowed, or not at all`, async () => {
    const { answer } = answererIn(mode, { boot: "agent" });
    const classes = ["AAPLBSDPC/i386/iMac14,3", "PXEClient:Arch:00007:UNDI:003000", "HTTPClient:Arch:00016", ""];
    const codes = fc.constantFrom(43, 50, 52, 53, 54, 57, 60, 61, 77, 82, 93, 97, 118, 175, 0, 255);
    const option = fc.tuple(codes, fc.uint8Array({ maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...classes),
        fc.integer({ min: 0, max: 9 }),
        fc.array(option, { maxLength: 6 }),
        fc.constantFrom(...arrivals),
        async (vendorClass, type, options, arrival) => {
          const head = Buffer.alloc(240);
          head.set([1, 1, 6]);
          head.set([10, 77, 0, 99], 12);
          head.set([2, 0, 0, 0, 0, 9], 28);
          head.set([0x63, 0x82, 0x53, 0x63], 236);
          const more = options.flatMap(([code, data]) => [code, data.length, ...data]);
          const text = [...Buffer.from(vendorClass)];
          const bytes = Buffer.concat([head, Buffer.from([53, 1, type, 60, text.length, ...text, ...more, 255])]);
          const said = await answer(bytes, arrival);
          if (said !== undefined) assertAllowed(bytes, arrival, said, mode);
        },
      ),
      { numRuns: 3000, seed },
    );
  });
}

test("arbitrary bytes are dropped and counted", async () => {
  const { answer, answerer } = answererIn("proxy", { boot: "agent" });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 700 }), async (bytes) => {
      count += 1;
      assert.equal(await answer(bytes, arrivals[0]!), undefined);
    }),
    { numRuns: 1000, seed },
  );
  assert.equal(
    Object.values(answerer.counters.dropped).reduce((sum, one) => sum + one, 0),
    count,
  );
});

test("a machine with nothing to do is given no booter, however its packet is cut or changed", async () => {
  const { answer } = answererIn("proxy", { boot: "disk" });
  const boots = /undionly|snponly|grub|nbi\//;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...dhcpPackets),
      fc.record({ at: fc.nat(), value: fc.nat(255) }),
      fc.constantFrom(...arrivals),
      async ({ bytes }, { at, value }, arrival) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at % damaged.length] = value;
        const said = await answer(damaged, arrival);
        if (said !== undefined) assert.doesNotMatch(Buffer.from(said.bytes).toString("latin1"), boots);
      },
    ),
    { numRuns: 3000, seed },
  );
});

// TFTP ----------------------------------------------------------------------------------------------------------------

const file = new Uint8Array(5000);

function decoded(bytes: Uint8Array): TftpPacket | undefined {
  try {
    return decodeTftp(bytes);
  } catch (error) {
    assert(error instanceof Fault && error.code === "TFTP_MALFORMED");
    return undefined;
  }
}

/** What a read request leads to, with every rule of the answer checked; other packets lead to nothing. */
function transferOf(packet: TftpPacket | undefined): ReadTransfer | undefined {
  if (packet?.type !== "read") return undefined;
  try {
    const path = pathOfName(packet.file);
    assert(!path.split("/").includes("..") && !path.startsWith("/"));
  } catch (error) {
    assert(error instanceof Fault && error.code === "TFTP_NAME_REFUSED");
    return undefined;
  }
  const terms = negotiate(packet.options, { fileBytes: file.length, maxBlockSize: 1468, maxWindowSize: 16 });
  const asked = new Map(packet.options);
  for (const [name, value] of terms.accepted) {
    assert(asked.has(name), `${name} was not asked for`);
    if (name === "blksize" || name === "windowsize") assert(Number(value) <= Number(asked.get(name)));
    if (name === "timeout") assert.equal(Number(value), Number(asked.get(name)));
    if (name === "tsize") assert.equal(value, "5000");
  }
  assert(terms.blockSize >= 8 && terms.blockSize <= 1468 && terms.windowSize >= 1 && terms.windowSize <= 16);
  return new ReadTransfer(file, terms);
}

const packetsIn = (actions: readonly TransferAction[]) =>
  actions.reduce((sum, one) => sum + (one.type === "send-options" ? 1 : one.type === "send-data" ? one.count : 0), 0);

/** Lets a client that says nothing more time out. */
function assertEnds(transfer: ReadTransfer): void {
  for (let step = 0; step < 1000 && !transfer.hasEnded; step += 1) transfer.onTimer(transfer.deadline);
  assert(transfer.hasEnded, "a silent client is given up");
}

test("tftp: every cut of every packet leads to a transfer by the rules, or to none", () => {
  let transfers = 0;
  for (const { bytes } of tftpPackets) {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const transfer = transferOf(decoded(bytes.subarray(0, cut)));
      if (transfer === undefined) continue;
      transfers += 1;
      assert.equal(packetsIn(transfer.start(0)), 1, "one packet before the client has shown its address");
      let sent = 1;
      for (let tick = 0; tick < 20 && !transfer.hasEnded; tick += 1) {
        sent += packetsIn(transfer.onTimer(transfer.deadline));
      }
      assert(sent <= 3, `${sent} packets to a client that never answered`);
      assertEnds(transfer);
    }
  }
  assert(transfers >= 8);
});

test("tftp: any packets in any order end a transfer, and send no block that the file has not", () => {
  const requests = tftpPackets.map((one) => decoded(one.bytes)).filter((packet) => packet?.type === "read");
  const event = fc.oneof(
    fc.record({ type: fc.constant("ack" as const), block: fc.oneof(fc.nat(12), fc.nat(65_535)) }),
    fc.record({ type: fc.constant("repeat" as const) }),
    fc.record({ type: fc.constant("timer" as const) }),
    fc.record({ type: fc.constant("error" as const), code: fc.nat(9) }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...requests), fc.array(event, { maxLength: 60 }), (request, events) => {
      const transfer = transferOf(request);
      if (transfer === undefined) return;
      const blocks = Math.floor(file.length / transfer.blockBytes) + 1;
      let nowMs = 0;
      const check = (actions: readonly TransferAction[]) => {
        for (const one of actions) {
          if (one.type !== "send-data") continue;
          assert(one.first >= 1 && one.first + one.count - 1 <= blocks);
        }
      };
      check(transfer.start(nowMs));
      for (const one of events) {
        nowMs += 100;
        if (one.type === "ack") check(transfer.onAck(one.block, nowMs));
        else if (one.type === "repeat") check(transfer.onRepeatedRequest(nowMs));
        else if (one.type === "error") check(transfer.onError(one.code, "x"));
        else {
          nowMs = Math.max(nowMs, transfer.deadline);
          check(transfer.onTimer(nowMs));
        }
      }
      assertEnds(transfer);
    }),
    { numRuns: 1000, seed },
  );
});

test("tftp: any bytes are read or refused, and what is read is written again", () => {
  const start = fc.constantFrom([], [0, 1], [0, 2], [0, 3], [0, 4], [0, 5], [0, 6]);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (opcode, rest) => {
      const packet = decoded(Uint8Array.from([...opcode, ...rest]));
      if (packet === undefined) return;
      const written = encodeTftp(packet);
      const again = decoded(written);
      assert(again !== undefined && Buffer.compare(encodeTftp(again), written) === 0);
      transferOf(packet);
    }),
    { numRuns: 3000, seed },
  );
});
