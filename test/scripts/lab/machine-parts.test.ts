import assert from "node:assert/strict";
import { test } from "node:test";
import { firmwareVariables } from "../../../scripts/lab/firmware-variables.ts";
import { type MachineParts, qemuArguments, qemuProgram } from "../../../scripts/lab/qemu.ts";

const parts: MachineParts = {
  name: "pc1",
  firmware: "bios",
  mac: "52:54:00:ab:cd:01",
  uuid: "10770000-0000-4000-8000-000000000001",
  serial: "LAB-pc1",
  nic: "virtio",
  tap: "tap-pc1",
  disks: [{ path: "/lab/disk.raw", bus: "sata", serial: "pc1-0", isThrowAway: false }],
  boot: "network",
  memoryMebibytes: 1024,
};
const files = { variables: "/lab/variables.fd", monitor: "/lab/pc1.monitor" };
const line = (changes: Partial<MachineParts>) => qemuArguments({ ...parts, ...changes }, files).join(" ");

test("a BIOS machine asks its card before its disk; one that boots from disk never asks it", () => {
  assert.match(line({}), /virtio-net-pci,netdev=cable,addr=2,mac=52:54:00:ab:cd:01,bootindex=0 /);
  assert.match(line({}), /ide-hd,bus=ide\.0,drive=disk0,serial=pc1-0,bootindex=1$/);
  assert.match(line({ boot: "disk" }), /mac=52:54:00:ab:cd:01,romfile= -drive/);
});

test("a UEFI machine has its own variables and no ROM on its card", () => {
  const uefi = line({ firmware: "uefi" });
  assert.match(uefi, /if=pflash,unit=1,format=raw,file=\/lab\/variables\.fd/);
  assert.match(uefi, /,romfile= /);
  // The order stands in the variables; QEMU's would overrule it at every start.
  assert.doesNotMatch(uefi, /bootindex/);
});

test("a machine may reboot, and a disk is thrown away only when that was said", () => {
  assert.doesNotMatch(line({}), /no-reboot|snapshot/);
  const disks = [{ path: "/lab/golden.raw", bus: "virtio", serial: "s", isThrowAway: true }] as const;
  assert.match(line({ disks }), /snapshot=on,format=raw,file=\/lab\/golden\.raw -device virtio-blk-pci/);
});

test("the first boot entry of a new UEFI machine is PXE over IPv4, as OVMF itself writes it", () => {
  // An empty OVMF_VARS_4M.fd is 0xff behind 100 bytes of headers.
  const empty = new Uint8Array(4096).fill(0xff);
  const filled = Buffer.from(firmwareVariables(empty, "52:54:00:10:77:01"));
  assert.deepEqual(filled.subarray(0, 100), Buffer.from(empty.subarray(0, 100)));
  const global = "61dfe48bca93d211aa0d00e098032b8c";
  // Read from the variables of a machine that OVMF (EDK2 2022.11) had set up by itself.
  const description = Buffer.from("UEFI PXEv4 (MAC:525400107701)\0", "utf16le").toString("hex");
  const path = [
    "02010c00d041030a00000000" + "010106000002",
    `030b2500525400107701${"00".repeat(26)}01`,
    `030c1b00${"00".repeat(23)}7fff0400`,
  ].join("");
  const option = `01000000${"5600"}${description}${path}4eac0881119f594d850ee21a522c59b2`;
  const at = filled.indexOf(Buffer.from("Boot0000\0", "utf16le"));
  assert.equal(filled.subarray(at - 16, at).toString("hex"), global);
  assert.equal(filled.readUInt32LE(at - 20), option.length / 2);
  assert.equal(filled.subarray(at + 18, at + 18 + option.length / 2).toString("hex"), option);
  const order = filled.indexOf(Buffer.from("BootOrder\0", "utf16le"));
  assert.equal((order - 60) % 4, 0);
  assert.equal(filled.subarray(order + 20, order + 22).toString("hex"), "0000");
  assert(filled.subarray(order + 22).every((byte) => byte === 0xff));
});

test("an order that is already there is taken back, and what else is there stays", () => {
  const empty = new Uint8Array(4096).fill(0xff);
  const once = firmwareVariables(empty, "52:54:00:10:77:01");
  const twice = Buffer.from(firmwareVariables(once, "52:54:00:10:77:02", "http"));
  const states = [...variablesIn(twice)].map(({ name, isDeleted }) => `${name} ${isDeleted ? "deleted" : "valid"}`);
  assert.deepEqual(states, ["Boot0000 deleted", "BootOrder deleted", "Boot0000 valid", "BootOrder valid"]);
  assert(twice.includes(Buffer.from("UEFI HTTPv4 (MAC:525400107702)\0", "utf16le")));
  // The last nodes of an HTTP boot entry: IPv4 and an empty URI.
  assert(twice.includes(Buffer.from(`030c1b00${"00".repeat(23)}031804007fff0400`, "hex")));
});

test("a file that holds no variables is not written into", () => {
  assert.throws(() => firmwareVariables(new Uint8Array(4096), "52:54:00:10:77:01"), /not OVMF's/);
});

function* variablesIn(store: Buffer): Generator<{ name: string; isDeleted: boolean }> {
  for (let at = 100; store.readUInt16LE(at) === 0x55aa; ) {
    const [nameBytes, dataBytes] = [store.readUInt32LE(at + 36), store.readUInt32LE(at + 40)];
    const name = store.toString("utf16le", at + 60, at + 58 + nameBytes);
    yield { name, isDeleted: store.readUInt8(at + 2) !== 0x3f };
    at += (60 + nameBytes + dataBytes + 3) & ~3;
  }
}

test("each firmware has its program, its machine and its files", () => {
  assert.equal(qemuProgram("uefi-arm64"), "qemu-system-aarch64");
  assert.equal(qemuProgram("uefi-secure"), "qemu-system-x86_64");
  assert.match(line({ firmware: "uefi-secure" }), /q35,smm=on -global driver=cfi\.pflash01,property=secure,value=on/);
  assert.match(line({ firmware: "uefi-ia32" }), /OVMF32_CODE/);
  assert.match(line({ firmware: "uefi-arm64" }), /-machine virt,.*bootindex=0/);
});

test("a card that UEFI has no driver for keeps its ROM; a program from a stick needs no ROM and no order", () => {
  assert.match(line({ firmware: "uefi", nic: "e1000e" }), /-device e1000e,netdev=cable,addr=2,mac=[0-9a-f:]+ /);
  assert.match(line({ program: "/lab/ipxe.lkrn", nic: "rtl8139" }), /-kernel \/lab\/ipxe\.lkrn .*rtl8139,.*,romfile= /);
});
