import assert from "node:assert/strict";
import { test } from "node:test";
import { BootClients } from "../../../server/dhcp/boot-clients.ts";

const mac = (number: number) =>
  `02:00:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`;

function bench(most?: number) {
  const clock = { nowMs: 1_000_000 };
  return { clock, clients: new BootClients(() => clock.nowMs, most) };
}

test("an address is the machine's that used it last, both ways", () => {
  const { clients } = bench();
  clients.saw(mac(1), "10.0.0.1");
  assert.deepEqual([clients.macOf("10.0.0.1"), clients.addressOf(mac(1))], [mac(1), "10.0.0.1"]);
  clients.saw(mac(1), "10.0.0.9");
  assert.deepEqual([clients.macOf("10.0.0.1"), clients.addressOf(mac(1))], [undefined, "10.0.0.9"]);
  clients.saw(mac(2), "10.0.0.9");
  assert.deepEqual([clients.macOf("10.0.0.9"), clients.addressOf(mac(1))], [mac(2), undefined]);
  clients.saw(mac(3), "0.0.0.0");
  assert.equal(clients.size, 1, "0.0.0.0 is nobody's address");
});

test("that a machine is Apple's is kept while it moves, and not passed on to the next user of its address", () => {
  const { clients } = bench();
  clients.saw(mac(1), "10.0.0.1", true);
  clients.saw(mac(1), "10.0.0.2");
  assert.equal(clients.isApple("10.0.0.2"), true);
  clients.saw(mac(2), "10.0.0.2");
  assert.equal(clients.isApple("10.0.0.2"), false);
  assert.equal(clients.isApple("10.0.0.77"), false);
});

test("it is forgotten after an hour", () => {
  const { clients, clock } = bench();
  clients.saw(mac(1), "10.0.0.1");
  clock.nowMs += 3_600_000;
  assert.equal(clients.macOf("10.0.0.1"), mac(1));
  clock.nowMs += 1;
  assert.deepEqual([clients.macOf("10.0.0.1"), clients.addressOf(mac(1)), clients.size], [undefined, undefined, 0]);
});

test("forged packets take no memory: the ones seen longest ago make room", () => {
  const { clients } = bench(100);
  clients.saw(mac(1), "10.0.0.1");
  for (let number = 2; number < 5_000; number += 1) {
    clients.saw(mac(number), `10.1.${number >> 8}.${number & 255}`);
    if (number % 50 === 0) clients.saw(mac(1), "10.0.0.1");
  }
  assert.equal(clients.size, 100);
  assert.equal(clients.macOf("10.0.0.1"), mac(1), "who goes on is kept");
  for (let number = 0; number < 5_000; number += 1) clients.saw(mac(7), `10.2.${number >> 8}.${number & 255}`);
  assert.equal(clients.size, 100, "one machine takes one place");
  assert.equal(clients.macOf("10.0.0.1"), mac(1));
});
