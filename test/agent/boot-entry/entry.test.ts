import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import { setBootEntry } from "../../../agent/boot-entry/entry.ts";
import { copyLoaders, fallbackPlan, findLoader } from "../../../agent/boot-entry/loader.ts";
import { createdEntry, isNetworkEntry, orderWith, parseBootEntries } from "../../../agent/boot-entry/order.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import type { Tools } from "../../../agent/machine/tools.ts";
import { treeFiles } from "../machine/machine-tree.ts";

// efibootmgr 17 -v under OVMF, shortened paths.
const ovmf = `BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0003,0000,0001,0002
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* UEFI Misc Device\tPciRoot(0x0)/Pci(0x3,0x0)N.....YM....R,Y.
Boot0002* EFI Internal Shell\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(7c04a583)
Boot0003* UEFI PXEv4 (MAC:52540A4D0007)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(52540a4d0007,1)/IPv4(0.0.0.00.0.0.0,0,0)N.....YM
`;
const entry = (number: string, label: string) =>
  `Boot${number}* ${label}\tHD(1,GPT,b5c0)/File(\\EFI\\BOOT\\BOOTX64.EFI)\n`;

test("the output of efibootmgr", () => {
  const { order, entries } = parseBootEntries(ovmf);
  assert.deepEqual(order, ["0003", "0000", "0001", "0002"]);
  assert.deepEqual(
    entries.map(({ number, label }) => [number, label]),
    [
      ["0000", "UiApp"],
      ["0001", "UEFI Misc Device"],
      ["0002", "EFI Internal Shell"],
      ["0003", "UEFI PXEv4 (MAC:52540A4D0007)"],
    ],
  );
  assert.deepEqual(entries.map(isNetworkEntry), [false, false, false, true]);
});

test("a network that was asked first stays first, ours comes right after", () => {
  assert.deepEqual(orderWith(parseBootEntries(ovmf), "0004"), ["0003", "0004", "0000", "0001", "0002"]);
});

test("otherwise ours is first; deleted entries are gone", () => {
  const disk = parseBootEntries(ovmf.replace("BootOrder: 0003,0000", "BootOrder: 0000,0003"));
  assert.deepEqual(orderWith(disk, "0004", ["0001"]), ["0004", "0000", "0003", "0002"]);
  assert.deepEqual(orderWith({ order: [], entries: [] }, "0004"), ["0004"]);
});

test("labels tell of the network where efibootmgr prints no path", () => {
  const label = (text: string) => isNetworkEntry({ number: "0001", isActive: true, label: text, path: "" });
  for (const text of ["IBA GE Slot 00C8 v1550 PXE", "Onboard NIC (IPV4)", "Network Boot", "UEFI HTTP Boot"])
    assert(label(text), text);
  for (const text of ["debian", "Windows Boot Manager", "ubuntu"]) assert(!label(text), text);
});

test("the new entry is the one that was not there before", () => {
  const before = parseBootEntries(ovmf + entry("0004", "bootcast: a"));
  const after = parseBootEntries(ovmf + entry("0004", "bootcast: a") + entry("0005", "bootcast: a"));
  assert.equal(createdEntry(before, after, "bootcast: a")?.number, "0005");
  assert.equal(createdEntry(after, after, "bootcast: a"), undefined);
});

test("any output is read", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const { order } = parseBootEntries(`${text}\nBootOrder: ${text}\nBoot0001* ${text}`);
      for (const number of orderWith(parseBootEntries(text), "00AA")) assert.match(number, /^[0-9A-F]{4}$/);
      assert(Array.isArray(order));
    }),
  );
});

function esp(t: { after(end: () => void): void }, files: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), "bootcast-esp-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const path of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), path);
  }
  return root;
}

const loaders: { files: string[]; suffix: string; found: string | undefined }[] = [
  { files: ["EFI/BOOT/BOOTX64.EFI", "EFI/debian/shimx64.efi"], suffix: "X64", found: "/EFI/debian/shimx64.efi" },
  // The fallback loader of Ubuntu and Fedora makes entries of its own.
  {
    files: ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/fbx64.efi", "EFI/BOOT/grubx64.efi", "EFI/ubuntu/shimx64.efi"],
    suffix: "X64",
    found: "/EFI/ubuntu/shimx64.efi",
  },
  { files: ["efi/boot/bootx64.efi"], suffix: "X64", found: "/efi/boot/bootx64.efi" },
  { files: ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi"], suffix: "X64", found: "/EFI/BOOT/BOOTX64.EFI" },
  { files: ["EFI/BOOT/BOOTIA32.EFI", "EFI/debian/grubx64.efi"], suffix: "X64", found: "/EFI/debian/grubx64.efi" },
  { files: ["EFI/debian/grubx64.efi", "EFI/debian/shimx64.efi"], suffix: "X64", found: "/EFI/debian/shimx64.efi" },
  { files: ["EFI/Microsoft/Boot/bootmgfw.efi"], suffix: "X64", found: "/EFI/Microsoft/Boot/bootmgfw.efi" },
  // A menu for both.
  {
    files: ["EFI/Microsoft/Boot/bootmgfw.efi", "EFI/debian/grubx64.efi"],
    suffix: "X64",
    found: "/EFI/debian/grubx64.efi",
  },
  { files: ["EFI/systemd/systemd-bootaa64.efi"], suffix: "AA64", found: "/EFI/systemd/systemd-bootaa64.efi" },
  { files: ["EFI/debian/grub.cfg", "readme"], suffix: "X64", found: undefined },
  { files: ["readme"], suffix: "AA64", found: undefined },
];
for (const { files, suffix, found } of loaders) {
  test(`the loader of ${files.join(", ")} for ${suffix} is ${found}`, async (t) => {
    assert.equal(await findLoader(new VolumeFiles(esp(t, files)), suffix), found);
  });
}

const fallbacks: { files: string[]; copies: string[] }[] = [
  { files: ["EFI/BOOT/BOOTX64.EFI", "EFI/debian/shimx64.efi"], copies: [] },
  { files: ["EFI/Microsoft/Boot/bootmgfw.efi"], copies: ["BOOTX64.EFI from bootmgfw.efi"] },
  { files: ["EFI/debian/grubx64.efi"], copies: ["BOOTX64.EFI from grubx64.efi"] },
  {
    files: ["EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi", "EFI/debian/mmx64.efi"],
    copies: ["BOOTX64.EFI from shimx64.efi", "grubx64.efi from grubx64.efi", "mmx64.efi from mmx64.efi"],
  },
];
for (const { files, copies } of fallbacks) {
  test(`the fallback of ${files.join(", ")} is ${copies.join(", ") || "there"}, and there the second time`, async (t) => {
    const root = esp(t, files);
    const volume = new VolumeFiles(root);
    const loader = await findLoader(volume, "X64");
    assert(loader !== undefined);
    const plan = await fallbackPlan(volume, loader, "X64");
    const last = (path: string) => path.split("/").at(-1);
    assert.deepEqual(
      plan.map(({ from, to }) => `${last(to)} from ${last(from)}`),
      copies,
    );
    if (plan.length > 0) await copyLoaders(volume, root, plan);
    for (const { from, to } of plan) assert.deepEqual(readFileSync(join(root, to)), readFileSync(join(root, from)));
    assert.deepEqual(await fallbackPlan(volume, loader, "X64"), []);
    assert.equal(await findLoader(volume, "X64"), loader);
  });
}

const uefi = treeFiles({
  files: { "/sys/firmware/efi/fw_platform_size": "64", "/sys/firmware/efi/efivars/x": "" },
  links: {},
});
const volumes = [
  { device: "/dev/vda1", number: 1, sizeBytes: 1, fileSystem: "vfat", type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
  { device: "/dev/vda2", number: 2, sizeBytes: 1, fileSystem: "ext4", type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4" },
];
const log = pino({ level: "silent" });

/** efibootmgr with a memory, and a mount that puts the loader where the volume is mounted. */
function firmware(output: string, options: { refuses?: string } = {}): Tools & { ran: string[]; output(): string } {
  const ran: string[] = [];
  let text = output;
  return {
    ran,
    output: () => text,
    async run(command, args) {
      const line = [command, ...args].join(" ");
      ran.push(line);
      if (options.refuses !== undefined && line.includes(options.refuses)) throw new Error("refused");
      if (command === "mount") {
        const directory = args.at(-1)!;
        mkdirSync(join(directory, "EFI/BOOT"), { recursive: true });
        writeFileSync(join(directory, "EFI/BOOT/BOOTX64.EFI"), "");
      }
      if (args.includes("--create")) text += entry("0009", args[args.indexOf("--label") + 1]!);
      if (args.includes("--delete-bootnum")) text = text.replace(new RegExp(`^Boot${args[1]}.*\n`, "m"), "");
      return text;
    },
  };
}

function machine(t: { after(end: () => void): void }, tools: Tools, files = uefi) {
  const mountDirectory = mkdtempSync(join(tmpdir(), "bootcast-mount-"));
  t.after(() => rmSync(mountDirectory, { recursive: true, force: true }));
  return { tools, files, log, mountDirectory };
}

test("UEFI: old entries of ours are replaced, the network stays first", async (t) => {
  const tools = firmware(`${ovmf}${entry("0007", "bootcast: old")}`.replace("0003,0000", "0003,0007,0000"));
  const result = await setBootEntry("/dev/vda", "lab-debian", volumes, machine(t, tools));
  assert.equal(result.isWarning, false);
  assert.match(result.detail, /right after the network/);
  const changes = tools.ran.filter((line) => line.startsWith("efibootmgr") && !line.endsWith("-v"));
  assert.deepEqual(changes, [
    "efibootmgr --bootnum 0007 --delete-bootnum --quiet",
    "efibootmgr --create --disk /dev/vda --part 1 --label bootcast: lab-debian --loader \\EFI\\BOOT\\BOOTX64.EFI --quiet",
    "efibootmgr --bootorder 0003,0009,0000,0001,0002 --quiet",
  ]);
  assert(tools.ran.some((line) => line.startsWith("umount ")));
});

const noEfi = treeFiles({ files: {}, links: {} });

test("BIOS needs nothing and runs nothing; a disk without boot code is told", async (t) => {
  const tools = firmware("");
  const biosDisk = join(mkdtempSync(join(tmpdir(), "bootcast-bios-")), "disk");
  t.after(() => rmSync(join(biosDisk, ".."), { recursive: true, force: true }));
  const sector = Buffer.alloc(4096);
  sector.set([0x55, 0xaa], 510);
  // Only a table, as of a disk for UEFI: its protective entry is no code.
  sector.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0], 446);
  writeFileSync(biosDisk, sector);
  const bare = await setBootEntry(biosDisk, "x", volumes, machine(t, tools, noEfi));
  assert.equal(bare.isWarning, true);
  assert.match(bare.detail, /no boot code/);
  sector.set([0xeb, 0x63, 0x90], 0);
  writeFileSync(biosDisk, sector);
  assert.equal((await setBootEntry(biosDisk, "x", volumes, machine(t, tools, noEfi))).isWarning, false);
  const gone = await setBootEntry(`${biosDisk}-gone`, "x", volumes, machine(t, tools, noEfi));
  assert.deepEqual([gone.isWarning, tools.ran], [false, []]);
});

test("whatever goes wrong is a warning: no system partition, a mount or a firmware that refuses", async (t) => {
  const none = await setBootEntry("/dev/vda", "x", volumes.slice(1), machine(t, firmware(ovmf)));
  assert.match(none.detail, /no EFI system partition/);
  for (const refuses of ["mount -t vfat", "--create", "--bootorder", "umount"]) {
    const result = await setBootEntry("/dev/vda", "x", volumes, machine(t, firmware(ovmf, { refuses })));
    assert.equal(result.isWarning, true, refuses);
  }
});

test("firmware that keeps no entry is told from a disk that has no loader for it", async (t) => {
  const kept = await setBootEntry("/dev/vda", "x", volumes, machine(t, firmware(ovmf, { refuses: "--create" })));
  assert.match(kept.detail, /refused\. The disk has a loader that firmware starts by itself/);
  const without = { ...uefi, list: (path: string) => (path.endsWith("/efivars") ? [] : uefi.list(path)) };
  const tools = firmware(ovmf, { refuses: "efivarfs" });
  const result = await setBootEntry("/dev/vda", "x", volumes, machine(t, tools, without));
  // A firmware whose variables do not mount may still take an entry: efibootmgr says so itself.
  assert.equal(result.isWarning, false);
});
