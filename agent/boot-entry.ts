import type { Logger } from "pino";
import { createdEntry, LABEL_PREFIX, orderWith, parseBootEntries } from "./boot-order.ts";
import type { VolumeFiles } from "./identity/volume-files.ts";
import type { MachineFiles } from "./machine-files.ts";
import type { RestoredVolume } from "./partitions.ts";
import type { Tools } from "./tools.ts";
import { withVolume } from "./volumes.ts";

/** UEFI specification, table 5.6: the type of an EFI system partition in a GPT, and in an MBR. */
const systemPartitionTypes = ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EF"];

const EFI_TIMEOUT_MS = 30_000;

/** What became of the boot entry, for screen and report. `isWarning`: the host may need a hand to start. */
export type BootEntryResult = { readonly detail: string; readonly isWarning: boolean };

export type BootEntryMachine = {
  readonly tools: Tools;
  readonly files: MachineFiles;
  readonly log: Logger;
  readonly mountDirectory: string;
};

/**
 * Makes the firmware start the restored system. BIOS needs nothing: it starts
 * what is in the first sector of the disk. A failure here is a warning, because
 * most firmware starts the fallback loader of a disk by itself.
 */
export async function setBootEntry(
  disk: string,
  image: string,
  volumes: readonly RestoredVolume[],
  machine: BootEntryMachine,
): Promise<BootEntryResult> {
  const { tools, files, log } = machine;
  if (files.list("/sys/firmware/efi").length === 0) {
    return { detail: "BIOS starts the disk by itself", isWarning: false };
  }
  const esp = volumes.find(({ type, fileSystem }) => systemPartitionTypes.includes(type) && fileSystem === "vfat");
  if (esp === undefined) return { detail: "the image has no EFI system partition", isWarning: true };
  try {
    const loader = await withVolume(esp, machine, (volume) => findLoader(volume, loaderSuffix(files)));
    if (loader === undefined)
      return { detail: "no boot loader was found on the EFI system partition", isWarning: true };
    if (files.list("/sys/firmware/efi/efivars").length === 0) {
      const place = "/sys/firmware/efi/efivars";
      await tools.run("mount", ["-t", "efivarfs", "efivarfs", place], { timeoutMs: EFI_TIMEOUT_MS });
    }
    return await replaceEntry({ disk, partition: esp.number, label: `${LABEL_PREFIX}${image}`, loader }, tools);
  } catch (error) {
    log.warn({ err: error }, "the boot entry was not set");
    const why = error instanceof Error ? error.message : String(error);
    return { detail: `the boot entry was not set: ${why}`, isWarning: true };
  }
}

async function replaceEntry(
  entry: { disk: string; partition: number; label: string; loader: string },
  tools: Tools,
): Promise<BootEntryResult> {
  const run = (args: readonly string[]) => tools.run("efibootmgr", args, { timeoutMs: EFI_TIMEOUT_MS });
  const before = parseBootEntries(await run(["-v"]));
  const old = before.entries.filter(({ label }) => label.startsWith(LABEL_PREFIX)).map(({ number }) => number);
  for (const number of old) await run(["--bootnum", number, "--delete-bootnum", "--quiet"]);
  const { disk, partition, label, loader } = entry;
  const where = ["--disk", disk, "--part", String(partition)];
  await run(["--create", ...where, "--label", label, "--loader", loader, "--quiet"]);
  const cleaned = { ...before, entries: before.entries.filter(({ number }) => !old.includes(number)) };
  const created = createdEntry(cleaned, parseBootEntries(await run(["-v"])), label);
  if (created === undefined) return { detail: "the firmware did not keep the boot entry", isWarning: true };
  const order = orderWith(before, created.number, old);
  await run(["--bootorder", order.join(","), "--quiet"]);
  const place = order[0] === created.number ? "first in the boot order" : "right after the network in the boot order";
  return { detail: `boot entry "${label}" (${loader}) is ${place}`, isWarning: false };
}

/** "X64", "IA32" or "AA64": the names of loaders depend on the firmware, not on the kernel. */
function loaderSuffix(files: MachineFiles): string {
  const bits = files.text("/sys/firmware/efi/fw_platform_size");
  if (process.arch === "arm64") return "AA64";
  return bits === "32" ? "IA32" : "X64";
}

/**
 * The loader to start: the fallback one that every removable medium has (UEFI
 * section 3.5.1), else the one that a known system installs for itself. FAT does
 * not distinguish case, the kernel shows names as they were written.
 *
 * @returns its path as firmware writes it, "\EFI\BOOT\BOOTX64.EFI"
 */
export async function findLoader(volume: VolumeFiles, suffix: string): Promise<string | undefined> {
  const efi = await childNamed(volume, "/", "EFI");
  if (efi === undefined) return undefined;
  const lower = suffix.toLowerCase();
  const vendorLoaders = [`shim${lower}.efi`, `grub${lower}.efi`, `systemd-boot${lower}.efi`, "bootmgfw.efi"];
  const fallback = await pathNamed(volume, efi, ["BOOT", `BOOT${suffix}.EFI`]);
  if (fallback !== undefined) return firmwarePath(fallback);
  for (const vendor of await volume.list(efi)) {
    for (const loader of vendorLoaders) {
      const found =
        (await pathNamed(volume, `${efi}/${vendor}`, [loader])) ??
        (await pathNamed(volume, `${efi}/${vendor}`, ["Boot", loader]));
      if (found !== undefined) return firmwarePath(found);
    }
  }
  return undefined;
}

function firmwarePath(path: string): string {
  return path.replaceAll("/", "\\");
}

async function pathNamed(
  volume: VolumeFiles,
  directory: string,
  names: readonly string[],
): Promise<string | undefined> {
  let path: string | undefined = directory;
  for (const name of names) path = path === undefined ? undefined : await childNamed(volume, path, name);
  return path;
}

async function childNamed(volume: VolumeFiles, directory: string, name: string): Promise<string | undefined> {
  const found = (await volume.list(directory)).find((entry) => entry.toLowerCase() === name.toLowerCase());
  if (found === undefined) return undefined;
  return directory === "/" ? `/${found}` : `${directory}/${found}`;
}
