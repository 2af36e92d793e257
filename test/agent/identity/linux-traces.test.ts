import assert from "node:assert/strict";
import { chmodSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Identity } from "../../../agent/identity/change.ts";
import { linuxLeftovers } from "../../../agent/identity/linux-leftovers.ts";
import { linuxNetworkNames, withAddress } from "../../../agent/identity/linux-network-names.ts";
import { linuxUuids, withUuids } from "../../../agent/identity/linux-uuids.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import { carryOut, volumeRoot } from "./volume-root.ts";

const identity: Identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [] };
const os = { "/etc/os-release": "ID=debian\n" };

test("network cards: what binds settings to the old machine goes, everything around it stays", async (t) => {
  const root = volumeRoot(t, {
    ...os,
    "/etc/udev/rules.d/70-persistent-net.rules": 'ATTR{address}=="00:11:22:33:44:55", NAME="eth0"\n',
    "/etc/udev/rules.d/70-other.rules": "stays",
    "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=00:11:22:33:44:55\nBOOTPROTO=dhcp\n",
    "/etc/sysconfig/network-scripts/ifcfg-lo": "HWADDR=stays\n",
    "/etc/NetworkManager/system-connections/wired.nmconnection":
      "[connection]\nid=wired\nuuid=5d0e\n\n[ethernet]\nmac-address=00:11:22:33:44:55\n",
    "/etc/netplan/50.yaml": "network:\n  ethernets:\n    lan:\n      match:\n        macaddress: '00:11:22:33:44:55'\n",
    "/etc/netplan/60.yaml": "a:\n  macaddress: 00:11:22:33:44:55\nb:\n  macaddress: 00:11:22:33:44:66\n",
    "/etc/systemd/network/10-lan.link": "[Match]\nPermanentMACAddress=00-11-22-33-44-55\n[Link]\nName=lan0\n",
  });
  chmodSync(join(root, "etc/NetworkManager/system-connections/wired.nmconnection"), 0o600);
  const plan = await carryOut(linuxNetworkNames, root, identity);
  const text = (path: string) => readFileSync(join(root, path), "utf8");
  assert.equal(text("etc/sysconfig/network-scripts/ifcfg-eth0"), "DEVICE=eth0\nBOOTPROTO=dhcp\n");
  assert.match(text("etc/NetworkManager/system-connections/wired.nmconnection"), /uuid=5d0e\n\n\[ethernet\]\n$/);
  assert.match(text("etc/netplan/50.yaml"), /macaddress: '52:54:00:00:00:07'/);
  assert.match(text("etc/systemd/network/10-lan.link"), /^PermanentMACAddress=52:54:00:00:00:07$/m);
  assert.deepEqual(plan.notes, [
    "/etc/netplan/60.yaml stays: it names 2 network cards, and which one is which is not known",
  ]);
});

test("any lines: only the one address in matching lines is replaced, and a second time nothing is", () => {
  const line = fc.constantFrom(
    "macaddress: 00:11:22:33:44:55",
    "  macaddress: AA-BB-CC-DD-EE-FF",
    "x: 00:11:22:33:44:55",
    "",
    "é",
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { content, others } = withAddress(lines.join("\n"), /^\s*macaddress:/, identity.mac);
      const rest = (text: string) => text.split("\n").filter((each) => !each.includes("macaddress"));
      assert.deepEqual(rest(content), rest(lines.join("\n")));
      if (others > 1) assert.equal(content, lines.join("\n"));
      const again = withAddress(content, /^\s*macaddress:/, identity.mac);
      assert.equal(again.content, content);
    }),
  );
});

test("leases, secrets of network programs and cloud-init's memory go; its other files and links out stay", async (t) => {
  const gone = [
    "/var/lib/dhcp/dhclient.eth0.leases",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/internal-1-eth0.lease",
    "/var/lib/dhcpcd/duid",
    "/etc/dhcpcd.duid",
    "/var/lib/cloud/instances/i-1/sem/config_ssh",
    "/var/lib/cloud/data/instance-id",
  ];
  const kept = [
    "/var/lib/cloud/seed/nocloud/user-data",
    "/var/lib/NetworkManager/NetworkManager-intern.conf",
    "/etc/cloud/cloud.cfg.d/05.cfg",
  ];
  const root = volumeRoot(t, {
    ...os,
    ...Object.fromEntries([...gone, ...kept].map((path) => [path, "x"])),
    "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:abc\n",
  });
  symlinkSync("/var/lib/cloud/instances/i-1", join(root, "var/lib/cloud/instance"));
  const plan = await carryOut(linuxLeftovers, root, identity);
  const volume = new VolumeFiles(root);
  for (const path of gone) assert.equal(await volume.exists(path), false, path);
  for (const path of kept) assert.equal(await volume.exists(path), true, path);
  assert.match((await volume.readText("/etc/cloud/cloud.cfg.d/99-bootcast.cfg")) ?? "", /preserve_hostname: true/);
  assert.match(plan.notes[0] ?? "", /iSCSI/);
});

const [oldRoot, newRoot] = ["0f3c8a1e-1111-4c4c-8888-0123456789ab", "aaaaaaaa-2222-4d4d-9999-ba9876543210"];
const renewed = new Map([
  [oldRoot, newRoot],
  ["1a2b-3c4d", "5e6f-7a8b"],
]);

test("renewed UUIDs: fstab, GRUB and boot entries follow, crypttab is never touched", async (t) => {
  const crypttab = `root UUID=${oldRoot} none luks\n`;
  const root = volumeRoot(t, {
    ...os,
    "/etc/fstab": `UUID=${oldRoot} / ext4\nUUID=1A2B-3C4D /boot/efi vfat\n# a1a2b-3c4d\n`,
    "/etc/crypttab": crypttab,
    "/boot/grub/grub.cfg": `search --fs-uuid ${oldRoot}\nlinux root=UUID=${oldRoot}\n`,
    "/boot/loader/entries/debian.conf": `options root=UUID=${oldRoot}\n`,
    "/boot/efi/EFI/debian/grub.cfg": `search.fs_uuid ${oldRoot} root\n`,
    "/etc/hosts": oldRoot,
  });
  const plan = await carryOut(linuxUuids, root, { ...identity, renewedUuids: renewed });
  assert.equal(plan.changes.length, 4);
  assert.equal(
    readFileSync(join(root, "etc/fstab"), "utf8"),
    `UUID=${newRoot} / ext4\nUUID=5E6F-7A8B /boot/efi vfat\n# a1a2b-3c4d\n`,
  );
  assert.equal(readFileSync(join(root, "etc/crypttab"), "utf8"), crypttab);
  assert.match(plan.notes[0] ?? "", /crypttab stays/);
  assert.equal(await linuxUuids.plan(new VolumeFiles(root), identity), undefined);
});

test("renewed UUIDs on volumes of their own: /boot and the EFI system partition", async (t) => {
  const boot = volumeRoot(t, {
    "/grub/grub.cfg": `root=UUID=${oldRoot}`,
    "/loader/entries/a.conf": `root=UUID=${oldRoot}`,
  });
  assert.equal((await carryOut(linuxUuids, boot, { ...identity, renewedUuids: renewed })).changes.length, 2);
  const efi = volumeRoot(t, { "/EFI/debian/grub.cfg": `search.fs_uuid ${oldRoot} root` });
  assert.equal((await carryOut(linuxUuids, efi, { ...identity, renewedUuids: renewed })).changes.length, 1);
});

test("UUIDs that are swapped are each replaced once", () => {
  const swapped = new Map([
    [oldRoot, newRoot],
    [newRoot, oldRoot],
  ]);
  assert.equal(withUuids(`${oldRoot} ${newRoot}`, swapped), `${newRoot} ${oldRoot}`);
});
