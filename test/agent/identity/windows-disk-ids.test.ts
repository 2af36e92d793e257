import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Identity } from "../../../agent/identity/change.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import { onDisk, windowsDiskIds } from "../../../agent/identity/windows-disk-ids.ts";
import { emptyHive } from "./empty-hive.ts";
import { carryOut, volumeRoot } from "./volume-root.ts";

const oldGuid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const newGuid = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const oldDisk = "b3eba8f1";
const newDisk = "11223344";
const renewedUuids = new Map([
  [oldGuid, newGuid],
  [`${oldDisk}-01`, `${newDisk}-01`],
  [`${oldDisk}-02`, `${newDisk}-02`],
  // Of file systems: no business of Windows.
  ["1234-abcd", "5678-ef01"],
]);
const identity: Identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [], renewedUuids };

/** A hive that hivex made, of lines for hivexsh. */
function hive(lines: readonly string[]): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-hive-"));
  try {
    const path = join(directory, "hive");
    writeFileSync(path, emptyHive());
    writeFileSync(join(directory, "script"), `${[...lines, "commit"].join("\n")}\n`);
    execFileSync("hivexsh", ["-w", "-f", join(directory, "script"), path]);
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function seenByHivex(bytes: Uint8Array, key: string): string {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-hive-"));
  try {
    writeFileSync(join(directory, "hive"), bytes);
    return execFileSync("hivexget", [join(directory, "hive"), key], { encoding: "utf8" });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const hex = (bytes: Buffer) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(",");
const gpt = (guid: string) => Buffer.concat([Buffer.from("DMIO:ID:"), onDisk(guid)!]);
const mbr = (disk: string) => Buffer.concat([onDisk(`${disk}-01`)!, Buffer.from([0, 0, 0xf0, 0x15, 0, 0, 0, 0])]);
const strange = Buffer.from("_??_USBSTOR#Disk", "utf16le");

/** The value of a real Windows 8.1 on a disk with an MBR: mistyprojects.co.uk, BCDEdit, "Devices Partition - Data". */
const mbrDevice = (() => {
  const bytes = Buffer.alloc(88);
  for (const [at, hex] of [
    [0x10, "06"],
    [0x18, "48"],
    [0x20, "0000f015"],
    [0x34, "01"],
    [0x38, "f1a8ebb3"],
  ] as const)
    bytes.write(hex, at, "hex");
  return bytes;
})();
/** The same for a GPT: the partition at byte 32, the disk at 56. */
const gptDevice = (() => {
  const bytes = Buffer.alloc(88);
  mbrDevice.copy(bytes, 0, 0, 32);
  bytes[0x34] = 0;
  onDisk(oldGuid)!.copy(bytes, 32);
  onDisk("11111111-2222-3333-4444-555555555555")!.copy(bytes, 56);
  return bytes;
})();

test("an id as it lies on a disk", () => {
  assert.equal(onDisk(oldGuid)?.toString("hex"), "28732ac11ff8d211ba4b00a0c93ec93b");
  assert.equal(onDisk(`${oldDisk}-01`)?.toString("hex"), "f1a8ebb3");
  assert.equal(onDisk("1234-abcd"), undefined);
});

test("drive letters of a Windows stay with their partitions when disk and partitions have new ids", async (t) => {
  const value = (name: string, data: Buffer) => [`\\DosDevices\\${name}`, `hex:3:${hex(data)}`];
  const system = hive([
    ...["add MountedDevices", "cd MountedDevices", "setval 4"],
    ...[
      ...value("C:", gpt(oldGuid)),
      ...value("D:", mbr(oldDisk)),
      ...value("E:", strange),
      ...value("F:", mbr("99999999")),
    ],
  ]);
  const root = volumeRoot(t, { "/Windows/System32/config/SYSTEM": system });
  const plan = await carryOut(windowsDiskIds, root, identity);
  assert.equal(plan.changes.length, 1);
  const seen = seenByHivex(readFileSync(join(root, "Windows/System32/config/SYSTEM")), "\\MountedDevices");
  for (const data of [gpt(newGuid), mbr(newDisk), strange, mbr("99999999")])
    assert(seen.includes(hex(data)), hex(data));
});

test("boot entries of a Windows find its partitions, on disks of both kinds", async (t) => {
  const entry = (data: Buffer) => ["setval 1", "Element", `hex:3:${hex(data)}`];
  const down = (...names: string[]) => names.flatMap((name) => [`add ${name}`, `cd ${name}`]);
  const store = hive([
    ...[...down("Objects", "{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "Elements", "11000001"), ...entry(gptDevice)],
    ...["cd \\", "cd Objects", ...down("{b2721d73-1db4-4c62-bf78-c548a880142d}", "Elements", "21000001")],
    ...entry(mbrDevice),
  ]);
  const root = volumeRoot(t, { "/EFI/Microsoft/Boot/BCD": store, "/EFI/Boot/bootx64.efi": "" });
  await carryOut(windowsDiskIds, root, identity);
  const now = readFileSync(join(root, "EFI/Microsoft/Boot/BCD"));
  const element = (object: string, number: string) => seenByHivex(now, `\\Objects\\${object}\\Elements\\${number}`);
  const fresh = Buffer.from(gptDevice);
  onDisk(newGuid)!.copy(fresh, 32);
  assert(element("{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "11000001").includes(hex(fresh)));
  const freshMbr = Buffer.from(mbrDevice);
  onDisk(`${newDisk}-01`)!.copy(freshMbr, 0x38);
  assert(element("{b2721d73-1db4-4c62-bf78-c548a880142d}", "21000001").includes(hex(freshMbr)));
});

test("with the ids kept, and on what is no Windows, there is nothing to do", async (t) => {
  const root = volumeRoot(t, { "/Windows/System32/config/SYSTEM": emptyHive() });
  const { renewedUuids: _, ...kept } = identity;
  assert.equal(await windowsDiskIds.plan(new VolumeFiles(root), kept), undefined);
  assert.deepEqual((await carryOut(windowsDiskIds, root, identity)).changes, []);
  assert.equal(
    await windowsDiskIds.plan(new VolumeFiles(volumeRoot(t, { "/etc/os-release": "" })), identity),
    undefined,
  );
});

test("a registry that Windows left open is not touched, and told", async (t) => {
  const open = emptyHive();
  open.writeUInt32LE(open.readUInt32LE(4) + 1, 4);
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= open.readInt32LE(at);
  open.writeInt32LE(sum, 508);
  const root = volumeRoot(t, { "/Windows/System32/config/SYSTEM": open });
  const plan = await carryOut(windowsDiskIds, root, identity);
  assert.match(plan.notes.join(), /SYSTEM stays as it is, and names ids of the old disk: .*not closed cleanly/);
});
