import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { CELL_BYTES } from "../../images/cell.ts";
import { differingCells } from "../../images/verify.ts";
import type { Lab } from "../../scripts/lab/lab.ts";
import type { Machine, MachineOptions } from "../../scripts/lab/machine.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { openFileSource } from "../../server/images/file-source.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { openStore } from "../../server/store/store.ts";
import { browserProblem } from "./browser.ts";
import { Desk } from "./desk.ts";
import { follow, hardwareUuidOf, imageName, prepareSite, type Site, type Stage } from "./rehearsal.ts";

const mebibyte = 1024 * 1024;
const minutes = 60_000;

/** Two blank machines, as different as the lab has them. */
const pcs = [
  {
    name: "bios",
    firmware: "bios",
    // The least that the boot image starts with: here it restores with it, too.
    memoryMebibytes: 512,
    nic: "vmxnet3",
    mac: "52:54:00:bc:00:01",
    uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a01",
    disks: [{ bus: "sata", sizeBytes: 512 * mebibyte }],
  },
  {
    name: "uefi",
    firmware: "uefi",
    mac: "52:54:00:bc:00:02",
    uuid: "8f3c2b1a-6d5e-4f70-9a8b-1c2d3e4f5a02",
    disks: [{ bus: "virtio", sizeBytes: 512 * mebibyte }],
  },
] as const satisfies Omit<MachineOptions, "namespace" | "directory">[];

/** The server is found by mDNS alone. The rate is what two emulated machines can follow. */
const rehearsal = { "boot.pass_server": false, "multicast.rate": "2MB/s" };

/** How many others are in the room, and how many of them receive the stream and keep what it brings. */
const crowd = { simulated: 196, real: 4 };
const hosts = crowd.simulated + crowd.real + pcs.length;

const stages: readonly Stage[] = [
  { name: "firmware", ends: /script\.ipxe/, deadlineMs: 3 * minutes },
  { name: "loader", ends: /bootcast: Linux/, deadlineMs: 3 * minutes },
  { name: "drivers and network", ends: /bootcast: network up/, deadlineMs: 2 * minutes },
  { name: "agent to wait", ends: /\] waiting/, deadlineMs: 3 * minutes },
  { name: "order to erase", ends: /\] erasing/, deadlineMs: 5 * minutes },
  { name: "erase and restore", ends: /\] verifying/, deadlineMs: 8 * minutes },
  { name: "verify", ends: /\] naming/, deadlineMs: 4 * minutes },
  { name: "names and boot entry", ends: /\] rebooting/, deadlineMs: 2 * minutes },
  { name: "reboot to login", ends: /\b(lab-\d+) login:/, deadlineMs: 5 * minutes },
];

const problem = labProblem("machines") ?? browserProblem();

describe("a room of blank machines", { skip: problem ?? false }, () => {
  let site: Site;
  before(async () => {
    site = await prepareSite((text) => console.error(text));
  });
  after(async () => {
    await site?.close();
  });

  test("BIOS and UEFI among 200 others, ordered at the pages: one session, one stream; a canary that fails stops a wave", {
    timeout: 20 * minutes,
  }, async (t) => {
    const lab = await site.open("full", { dhcp: "full", settings: rehearsal });
    t.after(() => lab.close());
    await lab.serve();
    const machines = await Promise.all(pcs.map((pc) => lab.startMachine(pc)));
    const followed = Promise.all(machines.map((machine) => follow(machine, stages)));
    followed.catch(() => {});
    const about = { ...crowd, directory: join(site.directory, "crowd"), diskBytes: 512 * mebibyte };
    const desk = await Desk.open(lab, about);
    try {
      await desk.choosesPassword();
      // Neither is one of the model that the wave is for.
      const [slow, broken] = [desk.crowd.simulated[2]!, desk.crowd.simulated[37]!];
      const fault = {
        code: "DISK_WRITE",
        what: "Its disk cannot be written.",
        why: "It said so.",
        fix: "Exchange it.",
      };
      desk.crowd.wish({ type: "fate", fate: { name: slow, lossShare: 0.06 } });
      desk.crowd.wish({ type: "fate", fate: { name: broken, failsAtPercent: 30, fault } });
      await desk.sees(hosts);
      await desk.deploysToAll(hosts, "full-plan");
      await desk.seesTrouble(slow, broken, fault.what);
      await desk.crowd.lines.hears(
        "the real agents to be through",
        (said) => (said.filter(({ type }) => type === "ended").length === crowd.real ? true : undefined),
        8 * minutes,
      );
      const ended = desk.crowd.lines.all.filter((one) => one.type === "ended");
      assert.deepEqual(
        ended.flatMap(({ outcome, failures }) => [outcome, ...failures]),
        Array(crowd.real).fill("done"),
      );

      const { canary, others } = await desk.deploysInWaves("MacPro5,1");
      desk.crowd.wish({ type: "fate", fate: { name: canary, failsAtPercent: 0, fault } });
      desk.crowd.wish({ type: "again", names: [canary, ...others] });
      await desk.seesItStopped();
      await desk.crowd.lines.hears("the others to be told to wait", (said) => {
        const told = said.filter((one) => one.type === "told");
        return others.every((name) => told.some((one) => one.name === name && one.kind === "wait")) || undefined;
      });
      const wave = await desk.session(2);
      assert.deepEqual(
        wave.hosts.filter(({ order }) => order !== "pending").map(({ name, order }) => [name, order]),
        [[canary, "failed"]],
      );
      await desk.stopsIt();

      const seconds = await followed;
      for (const [index, pc] of pcs.entries()) t.diagnostic(`${pc.name}: ${JSON.stringify(seconds[index])}`);
      await desk.seesAllDone(hosts - 1, hosts);
      assert.deepEqual(desk.person.mistakes, []);
      const first = await desk.session(1);
      const undone = first.hosts.filter(({ order }) => order !== "done");
      assert.deepEqual(
        undone.map(({ name, fault: told }) => [name, told?.code]),
        [[broken, fault.code]],
      );
    } finally {
      await desk.close();
    }
    await checkMachines(lab, machines);
  });

  test("beside the site's own DHCP server; the server is killed, then a machine's power goes: all come through", {
    timeout: 20 * minutes,
  }, async (t) => {
    const lab = await openRoom(t, "proxy");
    const machines = await Promise.all(pcs.map((pc) => lab.startMachine(pc)));
    const [, unlucky] = machines as [Machine, Machine];
    await unlucky.waitForLine(/Restoring {2}[.x]{4}10/, 8 * minutes, "the restore to begin");
    await lab.killServer();
    await lab.serve();
    await unlucky.waitForLine(/\] verifying/, 8 * minutes, "the restore to end after the server came back");
    await unlucky.cutPower();
    const off = unlucky.mark();
    await unlucky.powerOn();
    await unlucky.waitForLine(/\] receiving/, 5 * minutes, "the machine to begin again", off);
    await Promise.all(
      machines.map((machine) => machine.waitForLine(/lab-\d\d login:/, 10 * minutes, "the login prompt")),
    );
    await checkRoom(lab, t, machines);
  });

  /** A server with an order for whoever appears, as soon as both are there. */
  async function openRoom(t: TestContext, dhcp: "full" | "proxy"): Promise<Lab> {
    const lab = await site.open(dhcp, { dhcp, settings: rehearsal });
    t.after(() => lab.close());
    await lab.serve();
    await lab.bootcast(["deploy", imageName, "--to", "any", "--wait-for", "2", "--confirm", "any", "--no-input"]);
    return lab;
  }
});

/** Each machine has a name of its own, the session says done, and the disks hold what they must. */
async function checkRoom(lab: Lab, t: TestContext, machines: readonly Machine[]): Promise<void> {
  const names = machines.map((machine) => machine.consoleText().match(/\b(lab-\d\d) login:/)?.[1]);
  assert.deepEqual(names.toSorted(), ["lab-01", "lab-02"]);
  await checkSaysDone(lab, t, ["lab-01", "lab-02"]);
  await checkMachines(lab, machines);
}

async function checkMachines(lab: Lab, machines: readonly Machine[]): Promise<void> {
  for (const [index, machine] of machines.entries()) {
    await machine.stop();
    await checkDisk(lab, machine, pcs[index]?.uuid ?? "");
  }
}

/** The API shows the hosts done, with the time that it took. */
async function checkSaysDone(lab: Lab, t: TestContext, expected: readonly string[]): Promise<void> {
  const { stdout } = await lab.bootcast(["session", "show", "--json"]);
  t.diagnostic(stdout);
  const session = JSON.parse(stdout);
  assert.equal(session.id, 1, "there is one session");
  const hosts = session.hosts as { name: string; state: string; totalMs: number }[];
  assert.deepEqual(hosts.map(({ name }) => name).toSorted(), expected);
  for (const host of hosts) {
    assert.equal(host.state, "done");
    assert(host.totalMs > 0 && host.totalMs < 20 * minutes, `${host.name} took ${host.totalMs} ms`);
  }
}

/**
 * What a restored machine's disk must hold, looked at from outside: the image, but for what naming and the first
 * start changed in the two file systems; and the ByHost files under this machine's own id.
 */
async function checkDisk(lab: Lab, machine: Machine, uuid: string): Promise<void> {
  const path = machine.diskPaths[0] ?? "";
  const { publicKey } = await loadSiteKey(lab.dataDir);
  const { manifest } = await (await openStore(join(lab.dataDir, "store"), [publicKey])).readManifest(imageName);
  const disk = await openFileSource(path);
  try {
    const changeable = manifest.partitions.filter(({ fileSystem }) => ["ext4", "hfsplus"].includes(fileSystem));
    let differing = 0;
    for await (const cell of differingCells(manifest, disk)) {
      const offset = cell * CELL_BYTES;
      const isInside = changeable.some((p) => offset >= p.startBytes && offset < p.startBytes + p.sizeBytes);
      assert(isInside, `cell ${cell} at ${offset} is not the image's, and no file system that naming changes is there`);
      differing += 1;
    }
    assert(differing > 0, "naming changed nothing");
    assert(differing < 200, `${differing} cells differ from the image`);
  } finally {
    await disk.close();
  }

  const volume = `${path}.mac`;
  await lab.namespace.run("sh", ["-c", '7zz x -so "$0" 2.mac.hfsx >"$1"', path, volume]);
  const listing = await lab.namespace.run("7zz", ["l", "-slt", volume]);
  const byHost = listing.stdout.matchAll(/^Path = .*ByHost\/(\S+)$/gm);
  const id = hardwareUuidOf(uuid);
  assert.deepEqual([...byHost].map((match) => match[1]).toSorted(), [
    `.GlobalPreferences.${id}.plist`,
    `com.apple.menuextra.battery.${id}.plist`,
    `com.apple.screensaver.${id}.plist`,
    "com.example.plain.plist",
  ]);
}
