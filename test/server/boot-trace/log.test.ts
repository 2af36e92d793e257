import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BootTraceEntry, TracedEntry } from "../../../server/boot-trace/boot-trace.ts";
import { BootTraceLog } from "../../../server/boot-trace/log.ts";
import { BootClients } from "../../../server/dhcp/boot-clients.ts";

const mac = "52:54:00:00:00:01";
const discover: BootTraceEntry = {
  mac,
  service: "pxe",
  asked: "DISCOVER",
  answered: "OFFER x64/snponly.efi",
  detail: { is: "pxe", platform: "UEFI x64", file: "x64/snponly.efi" },
};
const ipxe: BootTraceEntry = { ...discover, answered: "OFFER http://…", detail: { is: "ipxe", platform: "iPXE" } };
const loader: BootTraceEntry = { service: "tftp", client: "10.0.0.5", asked: "x64/snponly.efi", answered: "sent" };
const script: BootTraceEntry = { service: "http", mac, asked: "boot script for iPXE", answered: "start the agent" };

/** A trace whose clock is moved by hand, with all that it told. */
function bench() {
  const clock = { nowMs: 1_000_000 };
  const clients = new BootClients(() => clock.nowMs);
  const log = new BootTraceLog({ now: () => clock.nowMs, clients });
  const told: TracedEntry[] = [];
  log.subscribe((entry) => told.push(entry));
  const later = (ms: number, entry: BootTraceEntry) => {
    clock.nowMs += ms;
    log.note(entry);
  };
  return { clock, clients, log, told, later };
}

test("numbers ascend, within one millisecond and over a restart", () => {
  const { log, told } = bench();
  log.note(discover);
  log.note({ ...discover, asked: "REQUEST" });
  assert.deepEqual(
    told.map(({ id, atMs }) => [id, atMs]),
    [
      [1_000_000_000, 1_000_000],
      [1_000_000_001, 1_000_000],
    ],
  );
  const next = bench();
  // Its clock stands where it stood, or was set back.
  next.log.restore([{ ...discover, id: 5_000_000_000, atMs: 5_000_000 }]);
  next.log.note(discover);
  assert.equal(next.told[0]?.id, 5_000_000_001);
  assert.deepEqual(
    next.log.recent().map(({ id }) => id),
    [5_000_000_000, 5_000_000_001],
  );
});

test("a file request, which has only an address, gets its machine", () => {
  const { log, told, clients } = bench();
  clients.saw(mac, "10.0.0.5");
  log.note(loader);
  log.note({ ...loader, client: "10.0.0.6" });
  log.note(discover);
  assert.deepEqual(
    told.map((entry) => [entry.mac, entry.client]),
    [
      [mac, "10.0.0.5"],
      [undefined, "10.0.0.6"],
      [mac, "10.0.0.5"],
    ],
  );
});

test("memory is bounded, and the newest are kept", () => {
  const { log } = bench();
  for (let number = 0; number < 10_000; number += 1) log.note({ ...loader, asked: `file-${number}` });
  const recent = log.recent();
  assert.equal(recent.length, 2_000);
  assert.equal(recent.at(-1)?.asked, "file-9999");
});

test("what a client sent cannot drive a terminal, and is no longer than a line", () => {
  const { log, told } = bench();
  log.note({ ...loader, asked: "a\u001b[2Jb\nc\u202ed", reason: `x\u0007${"y".repeat(5_000)}` });
  log.note({ ...discover, detail: { platform: "Mac \u001b]0;x\u0007", is: "mac" } });
  assert.equal(told[0]?.asked, "a?[2Jb?c?d");
  assert.equal(told[0]?.reason?.length, 301);
  assert.equal(told[1]?.detail?.["platform"], "Mac ?]0;x?");
});

describe("repeated packets", () => {
  test("firmware that asks again after 4, 8 and 16 s is told each time", () => {
    const { told, later } = bench();
    for (const ms of [0, 4_000, 8_000, 16_000]) later(ms, discover);
    assert.equal(told.length, 4);
    assert(told.every(({ times }) => times === undefined));
  });

  test("at once again is counted, and told when the window is over", () => {
    const { told, later, log, clock } = bench();
    for (let count = 0; count < 20; count += 1) later(50, discover);
    assert.equal(told.length, 1);
    const lastMs = clock.nowMs;
    clock.nowMs += 2_000;
    log.tick();
    assert.deepEqual(
      told.map(({ times, atMs }) => [times, atMs]),
      [
        [undefined, 1_000_050],
        [19, lastMs],
      ],
    );
    log.tick();
    assert.equal(told.length, 2, "once");
  });

  test("a machine that asks twice a second all night costs two entries a minute, and none is lost in the count", () => {
    const { told, later, log } = bench();
    const packets = 2 * 3600;
    for (let count = 0; count < packets; count += 1) {
      later(500, discover);
      if (count % 2 === 0) log.tick();
    }
    log.flush();
    assert(told.length < 150, String(told.length));
    assert.equal(
      told.reduce((sum, { times = 1 }) => sum + times, 0),
      packets,
    );
  });

  test("another answer, another reason or another machine is never a repetition", () => {
    const { told, log } = bench();
    log.note(discover);
    log.note({ ...discover, answered: "OFFER x64/disk.efi" });
    log.note({ ...discover, mac: "52:54:00:00:00:02" });
    log.note({ mac, service: "pxe", asked: "DISCOVER", reason: "nothing is ordered for it" });
    assert.equal(told.length, 4);
  });

  test("forged machines cannot make it remember without end, and what was counted is told", () => {
    const { told, log } = bench();
    log.note(discover);
    log.note(discover);
    for (let number = 0; number < 5_000; number += 1) log.note({ ...discover, mac: `forged-${number}` });
    assert.equal(told.filter(({ times }) => times === 1).length, 1, "told when it had to make room");
    assert.equal(told.length, 5_002);
  });
});

describe("which entries are one boot", () => {
  const bootsOf = (told: readonly TracedEntry[]) => told.map(({ boot }) => told.findIndex(({ id }) => id === boot));

  test("firmware, loader, iPXE and script are one; the firmware's next question is another", () => {
    const { told, later, clients } = bench();
    clients.saw(mac, "10.0.0.5");
    later(0, discover);
    later(4_000, discover);
    later(1_000, loader);
    later(2_000, ipxe);
    later(16_000, script);
    later(20_000, { ...loader, service: "http", asked: "vmlinuz" });
    later(70_000, discover);
    later(1_000, loader);
    assert.deepEqual(bootsOf(told), [0, 0, 0, 0, 0, 0, 6, 6]);
  });

  test("a machine that starts in iPXE, a Mac, and one that was away for long", () => {
    const { told, later } = bench();
    const list: BootTraceEntry = { mac, service: "bsdp", asked: "INFORM[LIST]", detail: { is: "mac" } };
    const select = { ...list, asked: "INFORM[SELECT] image 0x01000089", answered: "ACK[SELECT] nbi/booter" };
    later(0, ipxe);
    later(1_000, script);
    later(30_000, ipxe);
    later(400_000, list);
    later(3_000, list);
    later(100, select);
    later(10, { ...loader, mac, asked: "nbi/booter" });
    later(60_000, list);
    later(700_000, { mac, service: "http", asked: "the agent registers" });
    assert.deepEqual(bootsOf(told), [0, 0, 2, 3, 3, 3, 3, 7, 8]);
  });

  test("what is taken up after a restart goes on", () => {
    const first = bench();
    first.later(0, discover);
    const second = bench();
    second.log.restore(first.told);
    second.later(3_000, { ...loader, mac });
    assert.equal(second.told[0]?.boot, first.told[0]?.id);
  });

  test("a machine that nobody knows has none", () => {
    const { told, log } = bench();
    log.note(loader);
    assert.equal(told[0]?.boot, undefined);
  });
});

describe("who tried lately, and who was refused", () => {
  const refused: BootTraceEntry = { mac, service: "pxe", asked: "DISCOVER", reason: "no loader", isRefusal: true };

  test("a refusal counts until the machine is given something, or is left alone in peace", () => {
    const { log, later } = bench();
    later(0, { ...discover, mac: "52:54:00:00:00:02" });
    later(0, refused);
    assert.deepEqual(log.machines(), {
      withinMs: 600_000,
      tried: 2,
      refused: [{ mac, atMs: 1_000_000, reason: "no loader" }],
    });
    later(4_000, { mac, service: "pxe", asked: "DISCOVER", reason: "nothing is ordered for it" });
    assert.deepEqual(log.machines().refused, []);
    later(4_000, refused);
    later(4_000, discover);
    assert.deepEqual(log.machines().refused, []);
  });

  test("the file that it was told to fetch and that is not there is a refusal; another one is not", () => {
    const { log, later } = bench();
    const missing = (asked: string): BootTraceEntry => ({
      mac,
      service: "tftp",
      asked,
      reason: `file not found: ${asked}`,
    });
    later(0, discover);
    later(10, missing("x64/revocations.efi"));
    assert.deepEqual(log.machines().refused, []);
    later(10, missing("x64/snponly.efi"));
    assert.match(log.machines().refused[0]?.reason ?? "", /snponly/);
  });

  test("ten minutes, and not those who only want an address", () => {
    const { log, later, clock } = bench();
    later(0, { mac: "52:54:00:00:00:09", service: "dhcp", asked: "DISCOVER", answered: "OFFER 10.0.0.9" });
    later(0, refused);
    assert.equal(log.machines().tried, 1);
    clock.nowMs += 600_000;
    assert.deepEqual(log.machines(), { withinMs: 600_000, tried: 0, refused: [] });
  });
});
