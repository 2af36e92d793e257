import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Value } from "typebox/value";
import { CONTRACT_VERSION, Inventory } from "../../../agent/contract.ts";
import { parseMountInfo, parseSwaps, vitalProductSerial } from "../../../agent/disk/disks.ts";
import { availableMemoryBytes, readInventory, readPower } from "../../../agent/machine/inventory.ts";
import { machineTree, type Tree, treeFiles } from "./machine-tree.ts";

const agent = { bootMac: undefined, agentVersion: "1.2.3" };
const inventoryOf = (name: string) => readInventory(treeFiles(machineTree(name)), agent);

test("a virtual machine with BIOS and a virtio disk", () => {
  assert.deepEqual(inventoryOf("virtio-bios"), {
    mac: "52:54:0a:4d:00:07",
    uuid: "7d1e4b62-3c2a-4f5b-9a0e-52540a4d0007",
    serial: "lab-serial-7",
    vendor: "QEMU",
    model: "Standard PC (Q35 + ICH9, 2009)",
    firmware: "bios",
    memoryBytes: 1013268 * 1024,
    cpuCount: 2,
    nics: [{ name: "eth0", mac: "52:54:0a:4d:00:07" }],
    disks: [
      {
        path: "/dev/vda",
        sizeBytes: 1024 ** 3,
        sectorBytes: 512,
        model: "",
        serial: "disk-7",
        wwn: "",
        transport: "virtio",
        isRemovable: false,
        isReadOnly: false,
        usedBy: [],
        place: "pci-0000:00:03.0",
      },
    ],
    agentVersion: "1.2.3",
    contract: CONTRACT_VERSION,
  });
});

test("a desktop with a SATA disk in use in three ways, and a USB stick", () => {
  const inventory = inventoryOf("ahci-uefi");
  assert.equal(inventory.firmware, "uefi");
  assert.equal(inventory.serial, "", "what the board's maker left there is no serial number");
  assert.equal(inventory.cpuCount, 4);
  assert.deepEqual(inventory.nics, [
    { name: "eth0", mac: "b0:83:fe:a1:b2:c3", linkMegabits: 1000 },
    { name: "eth1", mac: "00:e0:4c:68:00:01" },
  ]);
  const [sda, sdb, ...rest] = inventory.disks;
  assert.deepEqual(rest, []);
  assert.equal(sda?.transport, "sata");
  assert.equal(sda?.model, "Samsung SSD 850");
  assert.equal(sda?.serial, "S21PNXAG123456A");
  assert.equal(sda?.wwn, "naa.5002538d40f1e2a3");
  assert.deepEqual(sda?.usedBy, ["/mnt/my disk", "swap on /dev/sda2", "/dev/dm-0"]);
  assert.equal(sdb?.transport, "usb");
  assert.equal(sdb?.isRemovable, true);
  assert.equal(sdb?.model, "SanDisk Ultra Fit");
});

test("a USB disk that says no serial number over SCSI has that of its USB device, but only the first of several", () => {
  const tree = machineTree("ahci-uefi");
  tree.files["/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/serial"] = "4C530001230712116285\n";
  const stick = () => readInventory(treeFiles(tree), agent).disks[1];
  assert.deepEqual([stick()?.path, stick()?.serial], ["/dev/sdb", "4C530001230712116285"]);
  tree.files["/sys/block/sdb/device/vpd_pg80"] = "\x00\x80\x00\x05ABCDE";
  assert.equal(stick()?.serial, "ABCDE", "a disk in a USB case has its own");
  delete tree.files["/sys/block/sdb/device/vpd_pg80"];
  tree.links["/sys/block/sdb"] = tree.links["/sys/block/sdb"]!.replace("/4:0:0:0/", "/4:0:0:1/");
  assert.equal(stick()?.serial, "", "the slots of a card reader would be one and the same");
});

test("a laptop with an NVMe disk, on its battery, with an SD card", () => {
  const inventory = inventoryOf("nvme-laptop");
  assert.equal(inventory.uuid, "", "a UUID of zeros is none");
  const [card, empty, disk, ...rest] = inventory.disks;
  assert.deepEqual(rest, []);
  assert.deepEqual([card?.path, card?.isRemovable, card?.transport], ["/dev/mmcblk0", true, "mmc"]);
  assert.deepEqual([empty?.path, empty?.sizeBytes], ["/dev/mmcblk1", 0]);
  assert.deepEqual([disk?.path, disk?.transport, disk?.sizeBytes], ["/dev/nvme0n1", "nvme", 512110190592]);
  assert.deepEqual([disk?.serial, disk?.wwn], ["S4ENNF0N123456", "eui.0025388b01234567"]);
});

test("the card that the machine booted from is its address", () => {
  const files = treeFiles(machineTree("ahci-uefi"));
  assert.equal(readInventory(files, { ...agent, bootMac: "00:e0:4c:68:00:01" }).mac, "00:e0:4c:68:00:01");
});

test("mains, battery, or nothing known; a mouse's battery is not the machine's", () => {
  const laptop = machineTree("nvme-laptop");
  assert.equal(readPower(treeFiles(laptop)), "battery");
  laptop.files["/sys/class/power_supply/AC/online"] = "1\n";
  assert.equal(readPower(treeFiles(laptop)), "mains");
  assert.equal(readPower(treeFiles(machineTree("ahci-uefi"))), "unknown");
  assert.equal(readPower(treeFiles(machineTree("virtio-bios"))), "unknown");
});

test("memory that programs can still have", () => {
  assert.equal(availableMemoryBytes(treeFiles(machineTree("virtio-bios"))), (506634 + 1000) * 1024);
  assert.equal(availableMemoryBytes(treeFiles({ files: {}, links: {} })), 0);
});

test("a machine that says nothing still gives an inventory that the contract allows", () => {
  const inventory = readInventory(treeFiles({ files: {}, links: {} }), agent);
  assert(Value.Check(Inventory, inventory));
  assert.deepEqual(inventory.disks, []);
});

test("any bytes in any file give an inventory that the contract allows", () => {
  const trees = ["virtio-bios", "ahci-uefi", "nvme-laptop"].map(machineTree);
  const spoiled = fc.constantFrom(...trees).chain((tree) =>
    fc.record({
      paths: fc.subarray(Object.keys(tree.files), { maxLength: 6 }),
      content: fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[0-9]{0,30}\n?$/)),
      tree: fc.constant(tree),
    }),
  );
  fc.assert(
    fc.property(spoiled, ({ paths, content, tree }) => {
      const files: Tree["files"] = { ...tree.files };
      for (const path of paths) files[path] = content;
      const machine = treeFiles({ files, links: tree.links });
      assert(Value.Check(Inventory, readInventory(machine, agent)));
      assert(["mains", "battery", "unknown"].includes(readPower(machine)));
      assert(Number.isSafeInteger(availableMemoryBytes(machine)));
    }),
  );
});

test("any text is read as mounts and swaps, or left out", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const mount of parseMountInfo(text)) assert.equal(typeof mount.point, "string");
      for (const swap of parseSwaps(text)) assert.notEqual(swap, "");
    }),
  );
});

test("the serial number page: other pages, short ones and long lengths", () => {
  const page = Buffer.from("\x00\x80\x00\x05ABCDE", "latin1");
  assert.equal(vitalProductSerial(page), "ABCDE");
  assert.equal(vitalProductSerial(Buffer.from("\x00\x83\x00\x05ABCDE", "latin1")), "");
  assert.equal(vitalProductSerial(Buffer.from("\x00\x80\xff\xffAB", "latin1")), "AB");
  for (let cut = 0; cut < 4; cut += 1) assert.equal(vitalProductSerial(page.subarray(0, cut)), "");
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.match(vitalProductSerial(bytes), /^[\x20-\x7e]*$/);
    }),
  );
});
