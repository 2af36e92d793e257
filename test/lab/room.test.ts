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

const stages: readonly Stage[] = [
  { name: "firmware", ends: /script\.ipxe/, deadlineMs: 3 * minutes },
  { name: "loader", ends: /bootcast: Linux/, deadlineMs: 3 * minutes },
  { name: "drivers and network", ends: /bootcast: network up/, deadlineMs: 2 * minutes },
  { name: "agent to erase", ends: /\] erasing/, deadlineMs: 5 * minutes },
  { name: "erase and restore", ends: /\] verifying/, deadlineMs: 8 * minutes },
  { name: "verify", ends: /\] naming/, deadlineMs: 4 * minutes },
  { name: "names and boot entry", ends: /\] rebooting/, deadlineMs: 2 * minutes },
  { name: "reboot to login", ends: /\b(lab-\d\d) login:/, deadlineMs: 5 * minutes },
];

describe("a room of blank machines", { skip: labProblem("machines") ?? false }, () => {
  let site: Site;
  before(async () => {
    site = await prepareSite((text) => console.error(text));
  });
  after(async () => {
    await site?.close();
  });

  test("BIOS and UEFI, one session, one stream, as the room's DHCP server", { timeout: 20 * minutes }, async (t) => {
    const lab = await openRoom(t, "full");
    const machines = await Promise.all(pcs.map((pc) => lab.startMachine(pc)));
    const seconds = await Promise.all(machines.map((machine) => follow(machine, stages)));
    for (const [index, pc] of pcs.entries()) t.diagnostic(`${pc.name}: ${JSON.stringify(seconds[index])}`);
    await checkRoom(lab, t, machines);
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
