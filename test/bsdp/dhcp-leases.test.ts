import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LeaseDecision } from "../../bsdp/dhcp-leases.ts";
import { decideLease, forgettableLeases, restingLease } from "../../bsdp/dhcp-leases.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { decodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption, MessageType } from "../../bsdp/dhcp-values.ts";
import type { Lease } from "../../bsdp/lease.ts";
import type { LeaseSettings } from "../../bsdp/lease-choice.ts";
import { bytesOf, vectorNamed } from "./packet-vectors.ts";

const settings: LeaseSettings = {
  serverAddress: "10.77.0.1",
  netmask: "255.255.255.0",
  networkAddress: "10.77.0.1",
  pools: [{ first: "10.77.0.50", last: "10.77.0.52" }],
  taken: new Set(["10.77.0.1"]),
  isOnly: true,
  leaseSeconds: 600,
  reservations: new Map(),
};

const blank = decodeDhcpPacket(bytesOf(vectorNamed("fw-discover-i386").hex));

type Ask = {
  readonly client: number;
  readonly requested?: string | undefined;
  readonly server?: string | undefined;
  readonly ciaddr?: string | undefined;
  readonly changes?: Partial<DhcpPacket>;
};

function packet(type: number, ask: Ask): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set([2, 0, 0, 0, 0, ask.client]);
  return {
    ...blank,
    ...ask.changes,
    chaddr,
    ciaddr: ask.ciaddr ?? "0.0.0.0",
    options: [
      byteOption(53, type),
      ...(ask.requested === undefined ? [] : [addressOption(50, ask.requested)]),
      ...(ask.server === undefined ? [] : [addressOption(54, ask.server)]),
    ],
  };
}

/** A server with a clock that the test sets. */
class Bench {
  readonly table = new Map<string, Lease>();
  readonly settings: LeaseSettings;
  nowMs = 1_000_000;

  constructor(changes: Partial<LeaseSettings> = {}) {
    this.settings = { ...settings, ...changes };
  }

  ask(type: number, ask: Ask): LeaseDecision {
    const decision = decideLease(packet(type, ask), this.table, this.settings, this.nowMs);
    for (const lease of decision.changes) this.table.set(lease.address, lease);
    return decision;
  }

  discover(client: number, requested?: string): string {
    const decision = this.ask(MessageType.discover, { client, requested });
    return decision.type === "offer" ? decision.address : decision.type === "silence" ? decision.reason : decision.type;
  }

  /** SELECTING: takes the offer. */
  take(client: number, requested: string): string {
    const decision = this.ask(MessageType.request, { client, requested, server: "10.77.0.1" });
    return outcome(decision);
  }

  lease(client: number): string {
    return this.take(client, this.discover(client));
  }
}

const outcome = (decision: LeaseDecision): string =>
  decision.type === "acknowledge" ? decision.address : decision.type === "silence" ? decision.reason : decision.type;

test("a client gets an address, and the same one again later", () => {
  const bench = new Bench();
  assert.equal(bench.lease(1), "10.77.0.50");
  assert.equal(bench.lease(2), "10.77.0.51");
  assert.equal(bench.lease(1), "10.77.0.50");
  bench.nowMs += 10_000_000;
  assert.equal(bench.lease(2), "10.77.0.51");
  assert.equal(bench.lease(1), "10.77.0.50");
});

test("a wished address is given when it is free", () => {
  const bench = new Bench();
  assert.equal(bench.discover(1, "10.77.0.52"), "10.77.0.52");
  assert.equal(bench.discover(2, "10.77.0.52"), "10.77.0.50");
  assert.equal(bench.discover(3, "10.0.0.9"), "10.77.0.51");
});

test("a full pool is silent, an ended lease is given on, the longest ended first", () => {
  const bench = new Bench();
  for (const client of [1, 2, 3]) {
    bench.lease(client);
    bench.nowMs += 1000;
  }
  assert.equal(bench.discover(4), "pool-empty");
  bench.nowMs += 600_000;
  assert.equal(bench.lease(4), "10.77.0.50");
  assert.equal(bench.lease(1), "10.77.0.51");
});

test("an offer that is not taken is free again after a minute", () => {
  const bench = new Bench();
  for (const client of [1, 2, 3]) bench.discover(client);
  assert.equal(bench.discover(4), "pool-empty");
  bench.nowMs += 60_000;
  assert.equal(bench.discover(4), "10.77.0.50");
});

test("SELECTING: a request that names another server is ignored, and our offer taken back", () => {
  const bench = new Bench();
  const offered = bench.discover(1);
  const decision = bench.ask(MessageType.request, { client: 1, requested: offered, server: "10.77.0.9" });
  assert.equal(outcome(decision), "another-server-named");
  assert.equal(bench.table.get(offered)?.state, "released");
  assert.equal(bench.discover(2, offered), offered);
});

test("SELECTING: an address that is another's is refused", () => {
  const bench = new Bench();
  const taken = bench.lease(1);
  assert.equal(bench.take(2, taken), "refuse");
  assert.equal(bench.take(2, "10.77.0.60"), "refuse");
  assert.equal(bench.take(2, "192.168.1.5"), "refuse");
});

test("INIT-REBOOT: its own address is acknowledged, a wrong one refused (RFC 2131 4.3.2)", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  const reboot = (client: number, requested: string) => outcome(bench.ask(MessageType.request, { client, requested }));
  assert.equal(reboot(1, own), own);
  bench.nowMs += 700_000;
  assert.equal(reboot(1, own), own, "an ended lease that nobody else got");
  assert.equal(reboot(1, "10.77.0.52"), "refuse", "not the address that it had");
  bench.lease(2);
  assert.equal(reboot(2, own), "refuse", "another's");
});

test("INIT-REBOOT: on the wrong network it is refused, known or not", () => {
  const bench = new Bench();
  const reboot = (requested: string) => outcome(bench.ask(MessageType.request, { client: 2, requested }));
  assert.equal(reboot("192.168.1.5"), "refuse");
  assert.equal(reboot("10.77.1.50"), "refuse");
});

test("INIT-REBOOT: without a record of the client there must be silence", () => {
  const bench = new Bench();
  bench.lease(1);
  const reboot = (requested: string) => outcome(bench.ask(MessageType.request, { client: 2, requested }));
  assert.equal(reboot("10.77.0.50"), "no-record");
  assert.equal(reboot("10.77.0.52"), "no-record");
  const reserved = new Bench({ reservations: new Map([["02:00:00:00:00:02", "10.77.0.9"]]) });
  const asked = { client: 2, requested: "10.77.0.9" };
  assert.equal(outcome(reserved.ask(MessageType.request, asked)), "10.77.0.9");
});

test("RENEWING and REBINDING: the lease is made longer; a client without an address asks for nothing", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  bench.nowMs += 300_000;
  assert.equal(outcome(bench.ask(MessageType.request, { client: 1, ciaddr: own })), own);
  assert.equal(bench.table.get(own)?.untilMs, bench.nowMs + 600_000);
  assert.equal(outcome(bench.ask(MessageType.request, { client: 2, ciaddr: own })), "refuse");
  assert.equal(outcome(bench.ask(MessageType.request, { client: 2 })), "nothing-requested");
});

test("RENEWING and REBINDING without a record: trusted by the only server, left alone beside another", () => {
  const renew = (bench: Bench, ciaddr: string) => outcome(bench.ask(MessageType.request, { client: 2, ciaddr }));
  assert.equal(renew(new Bench(), "10.77.0.52"), "10.77.0.52");
  assert.equal(renew(new Bench(), "10.77.0.200"), "refuse");
  const beside = new Bench({ isOnly: false });
  assert.equal(renew(beside, "10.77.0.52"), "no-record");
  assert.equal(renew(beside, "10.77.0.200"), "no-record");
  assert.equal(renew(beside, "192.168.1.5"), "refuse");
  const own = beside.lease(2);
  assert.equal(renew(beside, own), own);
  // Now it is on record, and comes with an address of the other server.
  assert.equal(renew(beside, "10.77.0.200"), "no-record");
  assert.equal(outcome(beside.ask(MessageType.request, { client: 2, requested: "10.77.0.200" })), "no-record");
  const alone = new Bench();
  alone.lease(2);
  assert.equal(renew(alone, "10.77.0.200"), "refuse");
});

test("DECLINE and RELEASE that name another server are not for us", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  const other = "10.77.0.9";
  const declined = bench.ask(MessageType.decline, { client: 1, requested: own, server: other });
  assert.equal(outcome(declined), "another-server-named");
  const released = bench.ask(MessageType.release, { client: 1, ciaddr: own, server: other });
  assert.equal(outcome(released), "another-server-named");
  assert.equal(bench.table.get(own)?.state, "bound");
});

test("an address that somebody else answers for rests for ten minutes", () => {
  const bench = new Bench();
  const offered = bench.discover(1);
  bench.table.set(offered, restingLease(offered, "02:00:00:00:00:01", bench.nowMs));
  assert.equal(bench.discover(1), "10.77.0.51");
  assert.equal(bench.take(1, offered), "refuse");
  bench.nowMs += 600_000;
  const again = bench.ask(MessageType.discover, { client: 3, requested: offered });
  assert.deepEqual([again.type === "offer" && again.address, again.type === "offer" && again.isNew], [offered, true]);
});

test("an offer says whether the address is new to its client", () => {
  const bench = new Bench();
  const isNew = (client: number) => {
    const decision = bench.ask(MessageType.discover, { client });
    return decision.type === "offer" && decision.isNew;
  };
  assert.equal(isNew(1), true);
  assert.equal(isNew(1), false);
  assert.equal(isNew(2), true);
});

test("several ranges are given out one after the other, never the router's address", () => {
  const pools = [
    { first: "10.77.0.50", last: "10.77.0.51" },
    { first: "10.77.0.60", last: "10.77.0.62" },
  ];
  const bench = new Bench({ pools, taken: new Set(["10.77.0.1", "10.77.0.61"]) });
  assert.deepEqual(
    [1, 2, 3, 4].map((client) => bench.lease(client)),
    ["10.77.0.50", "10.77.0.51", "10.77.0.60", "10.77.0.62"],
  );
  assert.equal(bench.discover(5), "pool-empty");
});

test("a reservation in another network does not keep its owner from this one", () => {
  const bench = new Bench({ reservations: new Map([["02:00:00:00:00:01", "10.88.0.9"]]) });
  assert.equal(bench.lease(1), "10.77.0.50");
});

test("a lease is remembered for a month after its end, an offer not at all", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  const offered = bench.discover(2);
  bench.nowMs += 600_000;
  assert.deepEqual(forgettableLeases(bench.table, bench.nowMs), [offered]);
  bench.nowMs += 30 * 86_400_000 - 1;
  assert.deepEqual(forgettableLeases(bench.table, bench.nowMs), [offered]);
  bench.nowMs += 1;
  assert.deepEqual(forgettableLeases(bench.table, bench.nowMs), [own, offered]);
});

test("a client that takes an offer without naming its address gets what was offered", () => {
  const bench = new Bench();
  const offered = bench.discover(1);
  assert.equal(outcome(bench.ask(MessageType.request, { client: 1, requested: "0.0.0.0" })), offered);
  assert.equal(outcome(bench.ask(MessageType.request, { client: 1, server: "10.77.0.1" })), offered);
});

test("INFORM is answered without a lease", () => {
  const bench = new Bench();
  assert.equal(bench.ask(MessageType.inform, { client: 1, ciaddr: "10.77.0.200" }).type, "inform");
  assert.equal(outcome(bench.ask(MessageType.inform, { client: 1 })), "no-client-address");
  assert.equal(bench.table.size, 0);
});

test("DECLINE: the address rests for ten minutes; only its client can decline it", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  const decline = (client: number) => outcome(bench.ask(MessageType.decline, { client, requested: own }));
  assert.equal(decline(2), "not-its-address");
  assert.equal(decline(1), "declined");
  assert.equal(decline(1), "not-its-address");
  assert.equal(bench.discover(1), "10.77.0.51");
  assert.equal(bench.discover(2, own), "10.77.0.52");
  assert.equal(outcome(bench.ask(MessageType.request, { client: 1, requested: own })), "refuse");
  bench.nowMs += 600_000;
  assert.equal(bench.discover(3, own), own);
});

test("RELEASE: the address is free for others, and first its client's own", () => {
  const bench = new Bench();
  const own = bench.lease(1);
  assert.equal(outcome(bench.ask(MessageType.release, { client: 2, ciaddr: own })), "not-its-address");
  assert.equal(outcome(bench.ask(MessageType.release, { client: 1, ciaddr: own })), "released");
  assert.equal(bench.discover(1), own);
  bench.ask(MessageType.request, { client: 1, requested: own, server: "10.77.0.9" });
  assert.equal(bench.discover(2, own), own);
});

test("a reserved address is its owner's alone, also outside the pool", () => {
  const reservations = new Map([
    ["02:00:00:00:00:01", "10.77.0.50"],
    ["02:00:00:00:00:02", "10.77.0.10"],
  ]);
  const bench = new Bench({ reservations });
  assert.equal(bench.lease(3), "10.77.0.51");
  assert.equal(bench.take(3, "10.77.0.50"), "refuse");
  assert.equal(bench.lease(1), "10.77.0.50");
  assert.equal(bench.lease(2), "10.77.0.10");
});

test("a machine that is given a reservation later must move to it", () => {
  const bench = new Bench();
  const old = bench.lease(1);
  const later = new Bench({ reservations: new Map([["02:00:00:00:00:01", "10.77.0.10"]]) });
  for (const lease of bench.table.values()) later.table.set(lease.address, lease);
  assert.equal(outcome(later.ask(MessageType.request, { client: 1, ciaddr: old })), "refuse");
  assert.equal(later.lease(1), "10.77.0.10");
  assert.equal(later.table.get(old)?.state, "released");
});

test("never our own address, the network's or the broadcast address", () => {
  const bench = new Bench({ pools: [{ first: "10.77.0.0", last: "10.77.0.255" }] });
  const given = new Set(Array.from({ length: 253 }, (_, client) => bench.lease(client)));
  for (const address of ["10.77.0.0", "10.77.0.1", "10.77.0.255"]) assert(!given.has(address));
  assert.equal(given.size, 253);
  assert.equal(bench.discover(254), "pool-empty");
});

test("a relay of our network is served, one of another is not, unless it names our link", () => {
  const bench = new Bench();
  const relayed = (giaddr: string, more: DhcpPacket["options"] = []) => {
    const request = packet(MessageType.discover, { client: 1, changes: { giaddr } });
    const options = [...request.options, ...more];
    return outcome(decideLease({ ...request, options }, bench.table, bench.settings, bench.nowMs));
  };
  assert.equal(relayed("10.77.0.2"), "offer");
  assert.equal(relayed("10.9.0.1"), "other-network");
  assert.equal(relayed("10.9.0.1", [{ code: 82, data: Uint8Array.of(5, 4, 10, 77, 0, 0) }]), "offer");
});

test("what is no DHCP request of an Ethernet client gets no answer", () => {
  const bench = new Bench();
  const ask = (changes: Partial<DhcpPacket>) => outcome(bench.ask(MessageType.discover, { client: 1, changes }));
  assert.equal(ask({ op: 2 }), "not-a-request");
  assert.equal(ask({ htype: 6 }), "not-ethernet");
  assert.equal(ask({ hlen: 16 }), "not-ethernet");
  assert.equal(outcome(bench.ask(0, { client: 1 })), "bootp");
  assert.equal(outcome(bench.ask(MessageType.offer, { client: 1 })), "wrong-message-type");
});

// The model: who was told, and until when, that an address is his.
const anyAddress = fc.constantFrom("10.77.0.50", "10.77.0.51", "10.77.0.52", "10.77.0.10", "10.77.0.1", "10.9.9.9");
const anyStep = fc.record(
  {
    type: fc.constantFrom(1, 3, 3, 3, 4, 7, 8),
    client: fc.integer({ min: 1, max: 5 }),
    requested: fc.option(anyAddress, { nil: undefined }),
    server: fc.option(fc.constantFrom("10.77.0.1", "10.77.0.9"), { nil: undefined }),
    ciaddr: fc.option(anyAddress, { nil: undefined }),
    laterMs: fc.constantFrom(0, 1, 30_000, 60_000, 300_000, 700_000),
  },
  { noNullPrototype: true },
);

test("whatever clients send, no address is two clients' at the same time", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 60 }), (steps) => {
      const bench = new Bench({ reservations: new Map([["02:00:00:00:00:05", "10.77.0.10"]]) });
      const owners = new Map<string, { client: number; untilMs: number }>();
      for (const { type, laterMs, ...ask } of steps) {
        bench.nowMs += laterMs;
        const decision = bench.ask(type, ask);
        if (decision.type === "silence" && (decision.reason === "released" || decision.reason === "declined")) {
          owners.delete((type === MessageType.release ? ask.ciaddr : ask.requested)!);
        }
        if (decision.type !== "offer" && decision.type !== "acknowledge") continue;
        const { address } = decision;
        const owner = owners.get(address);
        if (owner !== undefined && owner.untilMs > bench.nowMs) assert.equal(owner.client, ask.client, address);
        assert(["10.77.0.50", "10.77.0.51", "10.77.0.52", "10.77.0.10"].includes(address));
        if (address === "10.77.0.10") assert.equal(ask.client, 5);
        assert(type === MessageType.discover || type === MessageType.request);
        if (decision.type === "offer") continue;
        assert(ask.server === undefined || ask.server === "10.77.0.1");
        // A client that takes another address has given up the old one.
        for (const [old, one] of owners) if (one.client === ask.client) owners.delete(old);
        owners.set(address, { client: ask.client, untilMs: bench.nowMs + 600_000 });
      }
      for (const [address, lease] of bench.table) assert.equal(lease.address, address);
    }),
    { numRuns: 300 },
  );
});
