import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { decodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption } from "../../../bsdp/dhcp-values.ts";
import type { FullSettings } from "../../../bsdp/full.ts";
import type { AddressProbe, AddressUser } from "../../../server/dhcp/address-probe.ts";
import { LeaseBook } from "../../../server/dhcp/lease-book.ts";
import type { DhcpEvent } from "../../../server/dhcp/settings.ts";
import { bytesOf, vectorNamed } from "../../bsdp/packet-vectors.ts";
import { memoryLeases } from "./memory-leases.ts";

const network: FullSettings = {
  serverAddress: "10.77.0.1",
  networkAddress: "10.77.0.1",
  netmask: "255.255.255.0",
  pools: [{ first: "10.77.0.50", last: "10.77.0.52" }],
  taken: new Set(["10.77.0.1"]),
  leaseSeconds: 600,
  reservations: new Map(),
  isOnly: true,
};
const blank = decodeDhcpPacket(bytesOf(vectorNamed("fw-discover-i386").hex));

function asked(client: number, type = 1, requested?: string) {
  const chaddr = new Uint8Array(16);
  chaddr.set([2, 0, 0, 0, 0, client]);
  const wish = requested === undefined ? [] : [addressOption(50, requested), addressOption(54, "10.77.0.1")];
  return { ...blank, chaddr, options: [byteOption(53, type), ...wish] };
}

/** A book whose looks end when the test says so. */
function bench() {
  const events: DhcpEvent[] = [];
  const looks: {
    address: string;
    friends: readonly string[];
    soon(user: AddressUser): void;
    late(user: AddressUser): void;
  }[] = [];
  let wake = () => {};
  const probe: AddressProbe = {
    look(address, { friends }) {
      const soon = Promise.withResolvers<AddressUser>();
      const late = Promise.withResolvers<AddressUser>();
      looks.push({ address, friends, soon: soon.resolve, late: late.resolve });
      wake();
      return { soon: soon.promise, late: late.promise };
    },
    close: () => {},
  };
  const clock = { nowMs: 1_000_000 };
  const store = memoryLeases();
  const log = pino({ level: "silent" });
  const options = { store, probe, log, now: () => clock.nowMs, tell: (event: DhcpEvent) => void events.push(event) };
  const book = new LeaseBook(options, []);
  const nextLook = async (count: number) => {
    while (looks.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return looks[count - 1]!;
  };
  return { book, events, looks, nextLook, clock, store, options };
}

test("an address that somebody answers for is not offered, and rests", async () => {
  const { book, events, nextLook } = bench();
  const decision = book.decide(asked(1), network);
  (await nextLook(1)).soon("aa:bb:cc:dd:ee:ff");
  const second = await nextLook(2);
  assert.equal(second.address, "10.77.0.51");
  second.soon(undefined);
  const offer = await decision;
  assert.equal(offer.type === "offer" && offer.address, "10.77.0.51");
  assert.deepEqual(events, [{ kind: "dhcp.conflict", data: { address: "10.77.0.50", user: "aa:bb:cc:dd:ee:ff" } }]);
});

test("no address is offered unseen: after some that are in use the client is made to ask again", async () => {
  const { book, nextLook, looks } = bench();
  const wide = { ...network, pools: [{ first: "10.77.0.50", last: "10.77.0.59" }] };
  const first = book.decide(asked(1), wide);
  for (const count of [1, 2, 3, 4]) (await nextLook(count)).soon("aa:bb:cc:dd:ee:ff");
  assert.deepEqual(await first, { type: "silence", reason: "addresses-in-use", changes: [] });
  const second = book.decide(asked(1), wide);
  (await nextLook(5)).soon(undefined);
  const offer = await second;
  assert.equal(offer.type === "offer" && offer.address, "10.77.0.54");
  assert.equal(looks.length, 5);
});

test("a look makes no other packet wait; a second DISCOVER of the same client waits for the same look", async () => {
  const { book, nextLook, looks } = bench();
  const first = book.decide(asked(1), network);
  const repeated = book.decide(asked(1), network);
  const other = book.decide(asked(2), network);
  const renewed = await book.decide(asked(3, 3, "10.77.0.52"), network);
  assert.equal(renewed.type, "acknowledge");
  assert.deepEqual(
    looks.map(({ address }) => address),
    ["10.77.0.50", "10.77.0.51"],
  );
  (await nextLook(1)).soon(undefined);
  (await nextLook(2)).soon(undefined);
  const given = (await Promise.all([first, repeated, other])).map((one) => one.type === "offer" && one.address);
  assert.deepEqual(given, ["10.77.0.50", "10.77.0.50", "10.77.0.51"]);
});

test("an address that its client had last is offered at once; its last user is no stranger", async () => {
  const { book, nextLook, looks, clock } = bench();
  const first = book.decide(asked(1), network);
  (await nextLook(1)).soon(undefined);
  await first;
  await book.decide(asked(1, 3, "10.77.0.50"), network);
  assert.equal((await book.decide(asked(1), network)).type, "offer");
  assert.equal(looks.length, 1);
  clock.nowMs += 700_000;
  const narrow = { ...network, pools: [{ first: "10.77.0.50", last: "10.77.0.50" }] };
  void book.decide(asked(2), narrow);
  assert.deepEqual((await nextLook(2)).friends, ["02:00:00:00:00:02", "02:00:00:00:00:01"]);
});

test("an answer that comes after the offer: the REQUEST is refused", async () => {
  const { book, nextLook } = bench();
  const decision = book.decide(asked(1), network);
  const look = await nextLook(1);
  look.soon(undefined);
  await decision;
  look.late("aa:bb:cc:dd:ee:ff");
  await new Promise(setImmediate);
  assert.equal((await book.decide(asked(1, 3, "10.77.0.50"), network)).type, "refuse");
});

test("ended leases are forgotten, in memory and in the store", async () => {
  const { book, clock, store, options } = bench();
  await book.decide(asked(1, 3, "10.77.0.50"), network);
  assert.equal((await store.load()).length, 1);
  const restarted = new LeaseBook(options, await store.load());
  assert.equal((await restarted.decide(asked(1, 3, "10.77.0.50"), network)).type, "acknowledge");
  clock.nowMs += 40 * 86_400_000;
  restarted.prune();
  assert.deepEqual(await store.load(), []);
});
