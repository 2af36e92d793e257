import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TracedEntry } from "../../../server/boot-trace/boot-trace.ts";
import { BootTraceService } from "../../../server/boot-trace/service.ts";
import { BootTraceStore } from "../../../server/boot-trace/store.ts";
import { BootClients } from "../../../server/dhcp/boot-clients.ts";
import { Core, machine } from "../core.ts";

const mac = (number: number) => machine(number).mac;

function entry(number: number, more: Partial<TracedEntry> = {}): TracedEntry {
  const atMs = 1_000_000 + number;
  return {
    id: atMs * 1000,
    atMs,
    mac: mac(1),
    service: "pxe",
    asked: "DISCOVER",
    answered: `OFFER ${number}`,
    ...more,
  };
}

function storeOf(core: Core, keepRows?: number) {
  const { db, events, log } = core;
  const options = { db, events, log, now: () => core.nowMs, hostOf: () => undefined };
  return new BootTraceStore(keepRows === undefined ? options : { ...options, keepRows });
}

test("a room that is switched on costs a few transactions", async () => {
  const core = await Core.open();
  try {
    const store = storeOf(core);
    const batches: number[] = [];
    const append = core.events.append.bind(core.events);
    core.events.append = (events) => {
      batches.push(events.length);
      return append(events);
    };
    for (let number = 0; number < 6_000; number += 1) store.add(entry(number, { mac: mac(number % 500) }));
    await Promise.all([store.flush(), store.flush()]);
    assert.deepEqual([batches.length, Math.max(...batches)], [12, 500]);
    assert.equal((await store.list({ limit: 10_000 })).length, 6_000);
    assert.equal(store.notStored, 0);
  } finally {
    await core.db.destroy();
  }
});

test("what is stored comes back as it was, by machine, time and number", async () => {
  const core = await Core.open();
  try {
    const store = storeOf(core);
    const detail = { platform: "UEFI x64", bytes: 173792, isNew: true };
    const all = [entry(1, { detail, boot: 7, times: 3 }), entry(2, { mac: mac(2) }), entry(3, { service: "tftp" })];
    for (const one of all) store.add(one);
    assert.deepEqual(await store.list({ limit: 10 }), all, "listing writes what was waiting");
    assert.deepEqual(await store.list({ limit: 10, macs: [mac(1)] }), [all[0], all[2]]);
    assert.deepEqual(await store.list({ limit: 10, macs: [] }), []);
    assert.deepEqual(await store.list({ limit: 10, sinceMs: all[1]!.atMs }), all.slice(1));
    assert.deepEqual(await store.list({ limit: 10, afterId: all[1]!.id }), [all[2]]);
    assert.deepEqual(await store.list({ limit: 2 }), all.slice(1), "the newest");
    const events = await core.events.list();
    assert.deepEqual(
      events.map(({ kind, atMs }) => [kind, atMs]),
      all.map(({ service, atMs }) => [`boot.${service}`, atMs]),
    );
    assert.deepEqual(await core.events.list({ hasBoots: false }), []);
  } finally {
    await core.db.destroy();
  }
});

test("a flood of forged packets fills neither memory nor disk, and what is left out is counted", async () => {
  const core = await Core.open();
  try {
    const store = storeOf(core);
    for (let number = 0; number < 50_000; number += 1) store.add(entry(number));
    assert.equal(store.notStored, 40_000);
    core.nowMs += 10_000;
    for (let number = 50_000; number < 51_000; number += 1) store.add(entry(number));
    assert.equal(store.notStored, 40_500, "50 a second go on");
  } finally {
    await core.db.destroy();
  }
});

test("old ones go, and too many; other events stay", async () => {
  const core = await Core.open();
  try {
    core.nowMs = 8 * 86_400_000;
    await core.hosts.register(machine(1));
    const store = storeOf(core, 100);
    const day = 86_400_000;
    for (let number = 0; number < 50; number += 1) store.add(entry(number, { atMs: number }));
    for (let number = 0; number < 150; number += 1) store.add(entry(number, { atMs: 7.5 * day + number }));
    await store.flush();
    assert.equal(await store.prune(), 100);
    const left = await store.list({ limit: 1_000 });
    assert.deepEqual([left.length, left[0]?.atMs], [100, 7.5 * day + 50]);
    core.nowMs += 7 * day;
    assert.equal(await store.prune(), 100);
    assert.deepEqual(
      (await core.events.list()).map(({ kind }) => kind),
      ["host.registered"],
    );
  } finally {
    await core.db.destroy();
  }
});

test("a database that refuses stops nothing: it is counted", async () => {
  const core = await Core.open();
  const store = storeOf(core);
  await core.db.destroy();
  store.add(entry(1));
  await store.flush();
  assert.equal(store.notStored, 1);
});

test("after a restart the trace goes on: entries, numbers, boots; hosts have their names in the events", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-trace-"));
  const path = join(directory, "bootcast.db");
  const start = (core: Core) => {
    const now = () => core.nowMs;
    return BootTraceService.start({
      db: core.db,
      events: core.events,
      log: core.log,
      now,
      clients: new BootClients(now),
    });
  };
  try {
    const core = await Core.open({ path });
    const service = await start(core);
    service.log.note({ mac: mac(1), service: "pxe", asked: "DISCOVER", answered: "OFFER x", detail: { is: "pxe" } });
    core.nowMs += 40_000;
    const { hostId, name } = await core.hosts.register(machine(1));
    await service.stop();
    await core.db.destroy();

    const later = await Core.open({ path });
    later.nowMs = core.nowMs + 60_000;
    const again = await start(later);
    const entries = await again.list({ limit: 10 });
    assert.deepEqual(
      entries.map(({ asked, answered }) => `${asked} ${answered}`),
      ["DISCOVER OFFER x", `the agent registers is ${name}`],
    );
    assert.equal(entries[1]?.boot, entries[0]?.id);
    again.log.note({ mac: mac(1), service: "tftp", asked: "x", answered: "sent" });
    const last = (await again.list({ limit: 1 }))[0];
    assert.deepEqual([last?.asked, last?.boot], ["x", entries[0]?.id]);
    assert.equal(again.hosts.of(mac(1))?.name, name);
    await again.stop();
    const stored = (await later.events.list({ hostId })).filter(({ kind }) => kind.startsWith("boot."));
    assert(stored.some(({ kind }) => kind === "boot.tftp"));
    await later.db.destroy();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
