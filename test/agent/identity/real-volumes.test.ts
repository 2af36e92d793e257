import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { IdentityModule } from "../../../agent/identity/change.ts";
import { linuxHostname } from "../../../agent/identity/linux-hostname.ts";
import { linuxLeftovers } from "../../../agent/identity/linux-leftovers.ts";
import { linuxMachineId } from "../../../agent/identity/linux-machine-id.ts";
import { linuxNetworkNames } from "../../../agent/identity/linux-network-names.ts";
import { linuxSshHostKeys } from "../../../agent/identity/linux-ssh-host-keys.ts";
import { windowsUnattend } from "../../../agent/identity/windows-unattend.ts";
import { nameVolumes } from "../../../agent/volumes/name-volumes.ts";
import { needsRoot, volumeOf } from "./loop-volume.ts";
import { writeFiles } from "./volume-root.ts";

const identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [] };
const linux: IdentityModule[] = [linuxHostname, linuxMachineId, linuxSshHostKeys, linuxNetworkNames, linuxLeftovers];

test("an ext4 volume is given its host's identity; debugfs sees it, with owners, dates and attributes as before", {
  skip: needsRoot,
}, async (t) => {
  const { device, machine, volume } = volumeOf(t, "ext4", ["mkfs.ext4", "-q", "-F"], (root) => {
    writeFiles(root, {
      "/etc/os-release": "ID=debian\n",
      "/etc/hostname": "master\n",
      "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tmaster\n",
      "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
      "/etc/ssh/ssh_host_rsa_key": "secret",
      "/usr/lib/systemd/system/sshd-keygen.target": "x",
      "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=00:11:22:33:44:55\n",
      "/etc/udev/rules.d/70-persistent-net.rules": "old",
    });
    const file = join(root, "etc/hosts");
    chownSync(file, 12, 34);
    chmodSync(file, 0o640);
    execFileSync("setfattr", ["-n", "user.origin", "-v", "master", file]);
    utimesSync(file, 1_000_000, 2_000_000);
  });
  const seen = (request: string) =>
    execFileSync("debugfs", ["-R", request, device], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const inode = /Inode: (\d+)/.exec(seen("stat /etc/hosts"))?.[1];
  const { modules, systems } = await nameVolumes([volume], linux, identity, machine);
  assert.deepEqual(
    modules,
    linux.map(({ name }) => name),
  );
  assert.deepEqual(systems, [volume]);
  assert.equal(seen("cat /etc/hostname"), "lab-07\n");
  assert.equal(seen("cat /etc/hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\tlab-07\n");
  assert.equal(seen("cat /etc/machine-id"), "");
  assert.equal(seen("cat /etc/sysconfig/network-scripts/ifcfg-eth0"), "DEVICE=eth0\n");
  assert.doesNotMatch(seen("ls /etc/ssh"), /ssh_host/);
  assert.doesNotMatch(seen("ls /etc/udev/rules.d"), /persistent/);
  const stat = seen("stat /etc/hosts");
  assert.match(stat, new RegExp(`Inode: ${inode}\\b[\\s\\S]*Mode:\\s+0640[\\s\\S]*User:\\s+12\\s+Group:\\s+34`));
  assert.match(stat, /mtime: 0x001e8480/);
  assert.match(stat, /user\.origin.*"master"/);
  execFileSync("e2fsck", ["-f", "-n", device], { stdio: "ignore" });
  assert.equal((await nameVolumes([volume], linux, identity, machine)).changes, 0);
});

test("a generalised Windows on NTFS gets its name; ntfscat sees it, and what is not to change does not", {
  skip: needsRoot,
}, async (t) => {
  const unattend =
    '<unattend><settings pass="specialize"><component name="Microsoft-Windows-Shell-Setup"><ComputerName>*</ComputerName></component></settings></unattend>';
  const { device, machine, volume } = volumeOf(
    t,
    "ntfs",
    ["mkntfs", "-F", "-q", "-p", "0", "-s", "512", "-H", "0", "-S", "0"],
    (root) =>
      writeFiles(root, {
        "/Windows/System32/config/SYSTEM": "not looked into",
        "/Windows/Setup/State/State.ini": "[State]\r\nImageState=IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE\r\n",
        "/Windows/Panther/Unattend.xml": unattend,
      }),
  );
  const seen = (path: string) => execFileSync("ntfscat", [device, path], { encoding: "utf8" });
  const inode = () =>
    /Dumping Inode (\d+)/.exec(
      execFileSync("ntfsinfo", ["-F", "/Windows/Panther/Unattend.xml", device], { encoding: "utf8" }),
    )?.[1];
  const before = inode();
  const { modules, changes, notes } = await nameVolumes([volume], [...linux, windowsUnattend], identity, machine);
  assert.deepEqual({ modules, changes, notes }, { modules: ["windows-unattend"], changes: 1, notes: [] });
  assert.equal(seen("/Windows/Panther/Unattend.xml"), unattend.replace("*", "lab-07"));
  assert.equal(seen("/Windows/System32/config/SYSTEM"), "not looked into");
  assert.equal(inode(), before);
  execFileSync("ntfsfix", ["-n", device], { stdio: "ignore" });
  assert.equal((await nameVolumes([volume], [windowsUnattend], identity, machine)).changes, 0);
});

test("a hibernated Windows is left as it is, and why is told", {
  skip: needsRoot,
}, async (t) => {
  const { device, machine, volume } = volumeOf(
    t,
    "ntfs",
    ["mkntfs", "-F", "-q", "-p", "0", "-H", "0", "-S", "0"],
    (root) =>
      writeFiles(root, {
        "/Windows/System32/config/SYSTEM": "x",
        "/hiberfil.sys": Buffer.concat([Buffer.from("HIBR"), Buffer.alloc(8192)]),
      }),
  );
  const before = readFileSync(device).subarray(0, 1024 * 1024);
  const { changes, notes } = await nameVolumes([volume], [windowsUnattend], identity, machine);
  assert.equal(changes, 0);
  assert.match(notes[0] ?? "", /left as it is: its Windows is hibernated, or was shut down with fast start-up on/);
  assert.equal(Buffer.compare(readFileSync(device).subarray(0, 1024 * 1024), before), 0);
});
