import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { joinedTailKey } from "../../../agent/stream/tail-key.ts";
import { decodePacket, encodePacket, type Packet, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import { TailProofs, tailText } from "../../../multicast/tail-proofs.ts";
import { TailSigner } from "../../../server/stream/tail-signer.ts";

const format = packetFormat({ streamId: "00112233aabbccdd", symbolBytes: 1452 });

function canary(sequence: number, signer: TailSigner, pause = 3): Packet {
  const what = {
    kind: PacketKind.canary,
    block: 77,
    symbol: pause >> 8,
    plannedParity: pause & 0xff,
    sequence,
  } as const;
  const bytes = encodePacket({ ...what, sendTimeTenthsMs: 9, payload: signer.sign(what) }, format);
  return decodePacket(bytes, format) as Packet;
}

function listen(signer: TailSigner | undefined) {
  const joined = { receiverId: "a", feedbackAddress: "", feedbackPort: 1 };
  let now = 0;
  const state = { tailKey: signer?.publicKey };
  const proofs = new TailProofs(
    joinedTailKey(() => ({ ...joined, ...(state.tailKey === undefined ? {} : { tailKey: state.tailKey }) })),
  );
  const isProven = (packet: Packet) => {
    now += 40;
    return proofs.isProven(packet, now);
  };
  return { state, isProven };
}

test("tail: the server's canaries are proven, each once, and none is taken for a newer one", () => {
  const signer = new TailSigner();
  const { isProven } = listen(signer);
  assert(isProven(canary(0xffff_fffe, signer)));
  assert(isProven(canary(1, signer)), "numbers wrap");
  for (const sequence of [1, 0, 0xffff_fffe]) assert(!isProven(canary(sequence, signer)), "said again");
  assert(isProven(canary(2, signer)));
});

test("tail: nothing of a signed canary can be changed, and nobody else can sign one", () => {
  const signer = new TailSigner();
  const { isProven } = listen(signer);
  const right = canary(5, signer, 600);
  for (const change of [
    { symbol: 0 },
    { plannedParity: 1 },
    { sequence: 6 },
    { block: 78 },
    { payload: new Uint8Array(1452) },
  ])
    assert(!isProven({ ...right, ...change }), JSON.stringify(change));
  assert(!isProven(canary(5, new TailSigner())));
  assert(isProven(right));
});

test("tail: a server that was started again signs with another key; one that says none, or nonsense, proves nothing", () => {
  const [before, after] = [new TailSigner(), new TailSigner()];
  const { state, isProven } = listen(before);
  assert(isProven(canary(3_000, before)));
  state.tailKey = after.publicKey;
  assert(isProven(canary(7, after)), "it counts anew");
  assert(!isProven(canary(3_001, before)));
  for (const nonsense of [undefined, "", "nonsense", Buffer.alloc(44).toString("base64")]) {
    state.tailKey = nonsense;
    assert(!isProven(canary(9_000, after)));
  }
});

test("tail: a flood of wrong proofs costs few checks, and right ones still get through", () => {
  const signer = new TailSigner();
  let checks = 0;
  const proofs = new TailProofs({
    key: "any",
    isSigned: (_, __, payload) => {
      checks += 1;
      return payload[0] === 1;
    },
  });
  const forged = { ...canary(4, signer), payload: new Uint8Array(1452) };
  for (let now = 0; now < 1_000; now += 1) proofs.isProven(forged, now);
  assert(checks <= 70, `${checks}`);
  assert(proofs.isProven({ ...canary(5, signer), payload: new Uint8Array(1452).fill(1) }, 1_020));
});

test("tail: what is signed tells every canary from every other", () => {
  const what = fc.record({
    block: fc.nat(0xffff_ffff),
    symbol: fc.nat(255),
    plannedParity: fc.nat(255),
    sequence: fc.nat(0xffff_ffff),
  });
  const textOf = (one: Parameters<typeof tailText>[0]) => Buffer.from(tailText(one)).toString("hex");
  fc.assert(
    fc.property(
      what,
      what,
      (one, other) => (JSON.stringify(one) === JSON.stringify(other)) === (textOf(one) === textOf(other)),
    ),
  );
  assert.equal(
    textOf({ block: 0x01020304, symbol: 5, plannedParity: 6, sequence: 0x0708090a }),
    `${Buffer.from("bootcast tail 1\n").toString("hex")}0102030405060708090a`,
  );
});
