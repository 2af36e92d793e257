import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { CELL_BYTES } from "../../images/cell.ts";
import type { Manifest } from "../../images/manifest.ts";
import { differingCells } from "../../images/verify.ts";
import type { Lab } from "../../scripts/lab/lab.ts";
import type { Machine } from "../../scripts/lab/machine.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { openFileSource } from "../../server/images/file-source.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { openStore } from "../../server/store/store.ts";
import { officeHook, officeMail, openOffice } from "./office.ts";
import type { OfficeSaid } from "./office-program.ts";
import type { ProgramLines } from "./program-lines.ts";
import { imageName, prepareSite, type Site } from "./rehearsal.ts";
import { bystanders, mayChange, sha256Of, systemOn } from "./restored-disk.ts";

const mebibyte = 1024 * 1024;
const minutes = 60_000;
/** What a machine's kernel and its disk's own retries may take to say that a sector cannot be written. */
const writeErrorMs = 4 * minutes;

const pcMac = "52:54:00:bc:00:71";

/** What a host's own system says of it. */
type Shown = { readonly events: readonly { readonly kind: string; readonly data: unknown }[] };

/** With the DHCP client that is there for an initramfs. */
const networkUp = `#!/bin/sh
modprobe virtio_net
exec /usr/lib/klibc/bin/ipconfig -c dhcp -t 120 eth0
`;

const problem = labProblem("machines", { debugfs: "e2fsprogs", sfdisk: "fdisk", "mkfs.vfat": "dosfstools" });

describe("restores that are interrupted, repeated, and fail", { skip: problem ?? false, concurrency: 2 }, () => {
  let site: Site;
  let lab: Lab;
  let office: ProgramLines<OfficeSaid>;
  let manifest: Manifest;
  before(async () => {
    site = await prepareSite(
      (text) => console.error(text),
      async (disk, directory, namespace) => {
        const system = await systemOn(namespace, disk, directory);
        // What naming, growing and a first start change is as much on any system; on this small one it would be 5 % of it.
        await system.write("/srv/film", randomBytes(64 * mebibyte));
        // The golden system starts no network.
        await system.write("/etc/network-up", Buffer.from(networkUp), 0o755);
        const inittab = Buffer.from(await system.read("/etc/inittab")).toString();
        await system.write("/etc/inittab", Buffer.from(`${inittab}nw:2345:once:/etc/network-up\n`));
        // As in the lab's boot image: emulated on a machine with other work, a disk may stand still for longer than 30 s.
        const menu = Buffer.from(await system.read("/boot/grub/grub.cfg")).toString();
        assert.match(menu, / ro quiet /);
        const patient = menu.replace(" ro quiet ", " ro quiet nvme_core.io_timeout=255 ");
        await system.write("/boot/grub/grub.cfg", Buffer.from(patient));
      },
    );
    lab = await site.open("server", { dhcp: "full", settings: { "multicast.rate": "4MB/s", ...officeMail } });
    office = await openOffice(lab);
    await lab.serve();
    await lab.bootcast(["notify", "add", "office", "--url", officeHook, "--on", "schedule", "--no-input"]);
    await lab.bootcast(["notify", "add", "mueller", "--mail", "mueller@school.example", "--on", "schedule"]);
    const { publicKey } = await loadSiteKey(lab.dataDir);
    ({ manifest } = await (await openStore(join(lab.dataDir, "store"), [publicKey])).readManifest(imageName));
  });
  after(async () => {
    await lab?.close();
    await site?.close();
  });

  test("NVMe beside another disk and a stick: power cut, resumed, grown; then woken by a schedule, only what differs", {
    timeout: 15 * minutes,
  }, async (t) => {
    const directory = join(site.directory, "pc");
    const others = await bystandersIn(directory);
    const pc = await lab.startMachine({
      name: "pc",
      firmware: "uefi",
      mac: pcMac,
      uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a71",
      disks: [
        { bus: "sata", path: others.data },
        { bus: "nvme", sizeBytes: 768 * mebibyte },
        { bus: "usb", path: others.stick },
      ],
    });
    const disk = pc.diskPaths[1]!;
    const name = await waitingName(pc);
    await deploy(name, "--disk", "transport=nvme", "--then", "kexec", "--alive");

    await pc.waitForLine(/Restoring {2}[.x\d]*60/, 5 * minutes, "the restore to be more than half done");
    await pc.cutPower();
    const off = pc.mark();
    await pc.powerOn();
    await pc.waitForLine(/this restore was interrupted, and goes on/, 5 * minutes, "it to go on", off);
    await pc.waitForLine(new RegExp(`\\b${name} login:`), 8 * minutes, "the restored system's login prompt", off);
    // Done is it when the restored system has called the server, out of its own init.
    const { id } = await sessionWith(name);
    await lab.bootcast(["session", "watch", `${id}`, "--max-time", "3m", "--no-input"], { timeoutMs: 4 * minutes });
    await pc.stop();
    assert(!pc.consoleText().includes("FAILED"));
    const told = JSON.parse((await lab.bootcast(["host", "show", name, "--json"])).stdout) as Shown;
    assert.deepEqual(told.events.find(({ kind }) => kind === "host.alive")?.data, { name });

    const first = await sessionOf(t, name);
    assert(first.kept.bytes > 0 && first.kept.receivedBytes > 0, JSON.stringify(first.kept));
    assert(first.kept.receivedBytes < 0.8 * first.imageBytes, `${JSON.stringify(first)}: it came nearly whole again`);
    const system = await systemOn(lab.namespace, disk, directory);
    assert(system.startBytes + system.sizeBytes > 766 * mebibyte, "the last partition did not grow to the disk");
    await system.replay();
    await system.checkWhole();
    assert.equal(Buffer.from(await system.read("/etc/hostname")).toString(), `${name}\n`);
    await others.check();

    // About 1 % of what the image has: bytes of a file that nobody wrote, and a file that does not belong there.
    const file = "/usr/bin/perl";
    const golden = await system.read(file);
    await system.damage(file, mebibyte);
    await system.write("/stray", new Uint8Array(mebibyte / 2).fill(7));
    // A schedule comes to its time, and wakes it: the lab's hand is on the switch when the packet is on the wire.
    const again = pc.mark();
    await schedule("kiosks", name, "--disk", "transport=nvme", "--then", "power-off");
    await office.hears("the packet that wakes it", (said) =>
      said.find((one) => one.type === "wake" && one.mac === pcMac),
    );
    await pc.powerOn();
    await pc.waitForLine(/only what differs is restored/, 5 * minutes, "the disk to be compared", again);
    await pc.waitForLine(/switches itself off/, 5 * minutes, "the second restore", again);
    await assert.rejects(pc.waitForLine("login:", minutes, "the machine to go off", again), { code: "MACHINE_DIED" });
    const report = await office.hears("the schedule's report", (said) =>
      said
        .map((one) => (one.type === "call" ? JSON.parse(one.body) : undefined))
        .find((one) => one?.event.kind === "schedule.ended"),
    );
    assert.equal(report.title, "Schedule kiosks: 1 done.");
    const mail = await office.hears("the same by mail", (said) =>
      said.find((one) => one.type === "mail" && one.lines.some((line) => line.includes(report.title))),
    );
    assert(mail.type === "mail");
    assert.deepEqual(mail.to, ["mueller@school.example"]);
    const second = await sessionOf(t, name);
    const share = second.kept.receivedBytes / second.imageBytes;
    t.diagnostic(`${(share * 100).toFixed(1)} % of the image came again, in ${second.restoreMs} ms`);
    assert(share < 0.05, `${share} of the image came for 1 % that was changed`);
    assert.deepEqual(await system.read(file), golden);
    assert.equal(await system.exists("/stray"), false);
    await (await systemOn(lab.namespace, disk, directory)).checkWhole();
    await checkIsImage(disk);
    await others.check();
  });

  test("SATA: which disk is not guessed; a disk that fails half-way is told by its place, and nothing starts from it", {
    timeout: 15 * minutes,
  }, async (t) => {
    const directory = join(site.directory, "bad");
    const others = await bystandersIn(directory);
    const badSector = middleOf(manifest) / 512 + 77;
    const pc = await lab.startMachine({
      name: "bad",
      firmware: "bios",
      mac: "52:54:00:bc:00:72",
      uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a72",
      disks: [
        { bus: "sata", sizeBytes: 512 * mebibyte, serial: "OLD-DISK", badSector },
        { bus: "sata", path: others.data, serial: "ACCOUNTS" },
        { bus: "usb", path: others.stick, serial: "STICK" },
      ],
    });
    const name = await waitingName(pc);
    const before = await sha256Of(pc.diskPaths[0]!);
    await deploy(name);
    await pc.waitForLine(/FAILED:/, 2 * minutes, "the choice to be refused");
    await pc.waitForLine(/fix:/, 10_000, "the way out");
    const refused = unwrapped(pc, 0);
    for (const words of ["OLD-DISK: it fits", "ACCOUNTS: it fits", "usb QEMU QEMU HARDDISK STICK: it is removable"]) {
      assert(refused.includes(words), `"${words}" is not in: ${refused}`);
    }
    assert(!refused.includes("] erasing"));
    await others.check();
    assert.equal(await sha256Of(pc.diskPaths[0]!), before);
    // It is on the screen before the server has heard it.
    const { id } = await sessionWith(name);
    await lab.tryBootcast(["session", "watch", `${id}`, "--max-time", "2m", "--no-input"], { timeoutMs: 3 * minutes });

    await deploy(name, "--disk", "serial=OLD*");
    const again = pc.mark();
    await pc.reset();
    await pc.waitForLine(/Restoring {2}[.x\d]*20/, 5 * minutes, "the restore to begin", again);
    const began = performance.now();
    await pc.waitForLine(/FAILED:/, writeErrorMs, "the bad sector to be told", again);
    await pc.waitForLine(/restarts in/, minutes, "the way out", again);
    t.diagnostic(`told after ${Math.round(performance.now() - began)} ms`);
    const told = unwrapped(pc, again);
    const place = `at byte ${badSector * 512} (sector ${badSector}, in partition 4, ext4 "root"`;
    assert(told.includes(place), `"${place}" is not in: ${told}`);
    assert(!/\] (verifying|naming|rebooting)/.test(told), told);
    const { stdout } = await lab.bootcast(["host", "show", name, "--json"]);
    const host = JSON.parse(stdout);
    assert.deepEqual([host.state, host.fault.code], ["failed", "DISK_WRITE"]);
    assert.match(host.fault.what, new RegExp(`sector ${badSector}`));

    // Somebody presses reset: the server does not give it the agent, and there is nothing to start.
    const reset = pc.mark();
    await pc.reset();
    await pc.waitForLine(/not a bootable disk/, 3 * minutes, "the firmware to find nothing to start", reset);
    assert(!/GRUB|Linux version/.test(pc.consoleText().slice(reset)));
    await pc.stop();
    assert.deepEqual(await beginningOf(pc.diskPaths[0]!), Buffer.alloc(mebibyte));
    await others.check();
  });

  async function bystandersIn(directory: string) {
    await lab.namespace.run("mkdir", ["-p", directory]);
    const { data, stick } = await bystanders(lab.namespace, directory);
    const before = await Promise.all([data, stick].map(sha256Of));
    const check = async () => assert.deepEqual(await Promise.all([data, stick].map(sha256Of)), before);
    return { data, stick, check };
  }

  async function waitingName(machine: Machine): Promise<string> {
    const said = await machine.waitForLine(
      /\] waiting +as (lab-\d\d)/,
      5 * minutes,
      "the machine to wait for an order",
    );
    return said[1]!;
  }

  async function deploy(name: string, ...options: string[]): Promise<void> {
    await lab.bootcast(["deploy", imageName, "--to", name, ...options, "--confirm", name, "--no-input"]);
  }

  /** A schedule whose hosts are woken five minutes before its time: now. */
  async function schedule(own: string, name: string, ...options: string[]): Promise<void> {
    const due = new Date(Date.now() + 5 * minutes);
    const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
    const when = ["--cron", cron, "--time-zone", "Etc/UTC", "--wake-before", "5m"];
    await lab.bootcast([
      ...["schedule", "add", own, imageName, "--to", name, ...when],
      ...[...options, "--confirm", own, "--no-input"],
    ]);
  }

  /** The host's newest session. */
  async function sessionWith(name: string): Promise<{ id: number; hosts: { name: string; state: string }[] }> {
    const { sessions } = JSON.parse((await lab.bootcast(["session", "list", "--json"])).stdout);
    for (const { id } of sessions) {
      const session = JSON.parse((await lab.bootcast(["session", "show", `${id}`, "--json"])).stdout);
      if (session.hosts.some((host: { name: string }) => host.name === name)) return session;
    }
    throw new Error(`No session has ${name}.`);
  }

  /** The host's newest session is done: what it kept and received in its last start, and how long that took. */
  async function sessionOf(t: TestContext, name: string) {
    const session = await sessionWith(name);
    assert.equal(session.hosts[0]?.state, "done", JSON.stringify(session));
    const { events } = JSON.parse((await lab.bootcast(["host", "show", name, "--json"])).stdout) as {
      events: {
        kind: string;
        data: { kept?: { bytes: number; receivedBytes: number }; timings?: Record<string, number> };
      }[];
    };
    const kept = events.findLast(({ data }) => data.kept !== undefined)?.data.kept;
    const timings = events.findLast(({ data }) => data.timings !== undefined)?.data.timings ?? {};
    assert(kept !== undefined, "the server was not told what was kept");
    const imageBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    t.diagnostic(JSON.stringify({ kept, imageBytes, timings }));
    const restoreMs = (timings["preflight"] ?? 0) + (timings["erasing"] ?? 0) + (timings["receiving"] ?? 0);
    return { kept, imageBytes, restoreMs };
  }

  /** All that the image says of a disk is so, but in the file systems that naming and growing change; the table grew. */
  async function checkIsImage(path: string): Promise<void> {
    const disk = await openFileSource(path);
    try {
      for await (const cell of differingCells(manifest, disk)) {
        const offset = cell * CELL_BYTES;
        const isFree = manifest.tableCells.includes(cell) || mayChange(offset, manifest.partitions);
        assert(isFree, `cell ${cell} at ${offset} is not the image's`);
      }
    } finally {
      await disk.close();
    }
  }
});

/** What the agent has written on a machine's console from a mark on, without the ends of its lines. */
function unwrapped(machine: Machine, from: number): string {
  return machine
    .consoleText()
    .slice(from)
    .replaceAll(/^\[ *\d+\.\d+\].*$/gm, "")
    .replaceAll(/\s+/g, " ");
}

/** Where the cell in the middle of an image's content lies, in bytes. */
function middleOf({ cells }: Manifest): number {
  const all: number[] = [];
  for (const { state, firstCell, count } of cells.runs()) {
    if (state === "data") for (let cell = firstCell; cell < firstCell + count; cell += 1) all.push(cell);
  }
  return all[Math.floor(all.length / 2)]! * CELL_BYTES;
}

async function beginningOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(mebibyte), 0, mebibyte, 0);
    return buffer;
  } finally {
    await file.close();
  }
}
