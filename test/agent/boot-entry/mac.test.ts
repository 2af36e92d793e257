import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { forgetMacBootDevice, isMac, setMacBootDevice } from "../../../agent/boot-entry/mac.ts";
import {
  APPLE_VARIABLES,
  blessedPath,
  macBootDevicePlan,
  partitionOfPath,
} from "../../../agent/boot-entry/mac-device.ts";
import { thisMachine } from "../../../agent/machine/machine-files.ts";
import type { Tools } from "../../../agent/machine/tools.ts";
import { treeFiles } from "../machine/machine-tree.ts";

// The partition of a MacBook's own efi-boot-device, as its firmware listed it.
const guid = "50DD0659-0F10-4307-860B-6908BD051907";
const partition = { number: 2, startSectors: 409_640, sizeSectors: 975_093_952, guid };
const shortPath =
  "04012a00020000002840060000000000c0c01e3a00000000" + "5906dd50100f0743860b6908bd051907" + "0202" + "7fff0400";
/** ACPI root, PCI device, SATA port, as a Mac writes the way to its controller before the partition. */
const controller = "02010c00d041030a0000000001010600021f03120a00000000000000";
const text = (uuid: string, disk: string) =>
  `<array><dict><key>IOMatch</key><dict><key>IOProviderClass</key><string>IOMedia</string><key>IOPropertyMatch</key><dict><key>UUID</key><string>${uuid}</string></dict></dict><key>BLLastBSDName</key><string>${disk}</string></dict></array>\0`;
const variable = (data: Uint8Array) => Buffer.concat([Buffer.from([7, 0, 0, 0]), data]);

test("a partition's device path, byte by byte", () => {
  assert.equal(Buffer.from(blessedPath(partition)).toString("hex"), shortPath);
  assert.equal(partitionOfPath(Buffer.from(shortPath, "hex")), guid.toLowerCase());
  assert.equal(partitionOfPath(Buffer.from(controller + shortPath, "hex")), guid.toLowerCase());
});

test("a path that is cut, or that leads to no partition, names none", () => {
  const whole = Buffer.from(controller + shortPath, "hex");
  const end = controller.length / 2 + 42;
  for (let cut = 0; cut < end; cut += 1) assert.equal(partitionOfPath(whole.subarray(0, cut)), undefined, String(cut));
  assert.equal(partitionOfPath(Buffer.from(`${controller}7fff0400`, "hex")), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void partitionOfPath(bytes)));
});

test("the variables that bless would have written", () => {
  const plan = macBootDevicePlan({}, partition);
  assert.deepEqual(plan, [
    { name: "efi-boot-device", content: variable(Buffer.from(text(guid, "disk0s2"))) },
    { name: "efi-boot-device-data", content: variable(Buffer.from(shortPath, "hex")) },
  ]);
});

test("a recorded variable that names this partition stays, with its way to the controller", () => {
  const data = variable(Buffer.from(controller + shortPath, "hex"));
  assert.deepEqual(macBootDevicePlan({ "efi-boot-device-data": data }, partition), []);
  const other = { ...partition, guid: "A99B4ECD-E003-4057-9F8F-9E27F4CFB546" };
  assert.equal(macBootDevicePlan({ "efi-boot-device-data": data }, other).length, 2);
});

test("with no Mac volume to start, what was blessed is removed, and nothing else", () => {
  const data = variable(Buffer.from(shortPath, "hex"));
  assert.deepEqual(macBootDevicePlan({ "efi-boot-device-data": data }, undefined), [
    { name: "efi-boot-device-data", content: undefined },
  ]);
  assert.deepEqual(macBootDevicePlan({}, undefined), []);
});

test("a Mac is known by its maker", () => {
  const of = (vendor: string) => isMac(treeFiles({ files: { "/sys/class/dmi/id/sys_vendor": vendor }, links: {} }));
  assert.deepEqual(["Apple Inc.\n", "Apple Computer, Inc.", "Dell Inc.", ""].map(of), [true, true, false, false]);
});

/** A volume whose header names its blessed folder, a place for variables, and sfdisk's answer about the disk. */
function mac(t: TestContext, blessed: number, label = "gpt") {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-mac-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const efivars = join(directory, "efivars");
  mkdirSync(efivars);
  const device = join(directory, "sda2");
  const header = Buffer.alloc(8192);
  header.write("H+", 1024, "latin1");
  header.writeUInt32BE(blessed, 1024 + 80);
  writeFileSync(device, header);
  const ran: string[] = [];
  const { startSectors: start, sizeSectors: size } = partition;
  const tools: Tools = {
    async run(command, args) {
      ran.push([command, ...args].join(" "));
      const partitions = [
        { node: "/dev/sda1", start: 40, size: 409_600, uuid: "A99B4ECD-E003-4057-9F8F-9E27F4CFB546" },
        { node: "/dev/sda2", start, size, uuid: guid },
      ];
      return JSON.stringify({ partitiontable: { label, partitions } });
    },
  };
  const volumes = [{ device, number: 2, sizeBytes: 8192, fileSystem: "hfsplus", type: "" }];
  const path = (name: string) => join(efivars, `${name}-${APPLE_VARIABLES}`);
  return { efivars, volumes, ran, path, machine: { tools, files: thisMachine } };
}

test("the restored volume becomes the startup disk; the second time nothing changes", async (t) => {
  const { efivars, volumes, ran, path, machine } = mac(t, 17);
  writeFileSync(
    path("efi-boot-device"),
    variable(Buffer.from(text("E7C37FCE-4476-461C-9A94-2050A2E6B6D4", "disk1s2"))),
  );
  const set = await setMacBootDevice("/dev/sda", volumes, machine, efivars);
  assert.equal(set?.isWarning, false);
  assert.match(set?.detail ?? "", /is now the Mac's startup disk/);
  assert.deepEqual(readFileSync(path("efi-boot-device")), variable(Buffer.from(text(guid, "disk0s2"))));
  assert.deepEqual(readFileSync(path("efi-boot-device-data")), variable(Buffer.from(shortPath, "hex")));
  // Only what is there is protected.
  assert.deepEqual(ran, ["sfdisk --json /dev/sda", `chattr -i ${path("efi-boot-device")}`]);
  const again = await setMacBootDevice("/dev/sda", volumes, machine, efivars);
  assert.match(again?.detail ?? "", /already/);
});

test("no blessed folder, no GPT: the person is told to hold Option; no Mac volume: not a Mac's matter", async (t) => {
  const bare = mac(t, 0);
  const unblessed = await setMacBootDevice("/dev/sda", bare.volumes, bare.machine, bare.efivars);
  assert.equal(unblessed?.isWarning, true);
  const old = mac(t, 17, "dos");
  const onMbr = await setMacBootDevice("/dev/sda", old.volumes, old.machine, old.efivars);
  assert.match(onMbr?.detail ?? "", /Option/);
  assert.equal(await setMacBootDevice("/dev/sda", [], bare.machine, bare.efivars), undefined);
});

test("a Linux on a Mac: the blessed volume that is gone is forgotten", async (t) => {
  const { efivars, path, machine } = mac(t, 17);
  writeFileSync(path("efi-boot-device-data"), variable(Buffer.from(shortPath, "hex")));
  await forgetMacBootDevice(machine, efivars);
  assert.equal(existsSync(path("efi-boot-device-data")), false);
});
