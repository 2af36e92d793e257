import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";
import type { RestoredVolume } from "../volumes/partitions.ts";
import { withVolume } from "../volumes/volumes.ts";
import { biosStart } from "./bios.ts";
import { copyLoaders, fallbackPlan, findLoader, firmwarePath } from "./loader.ts";
import { forgetMacBootDevice, isMac, setMacBootDevice } from "./mac.ts";
import { createdEntry, LABEL_PREFIX, orderWith, parseBootEntries } from "./order.ts";
import type { BootEntryMachine, BootEntryResult } from "./result.ts";

/** UEFI specification, table 5.6: the type of an EFI system partition in a GPT, and in an MBR. */
const systemPartitionTypes = ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EF"];

const EFI_TIMEOUT_MS = 30_000;

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
  if (files.list("/sys/firmware/efi").length === 0) return biosStart(disk);
  try {
    if (files.list("/sys/firmware/efi/efivars").length === 0) {
      const place = "/sys/firmware/efi/efivars";
      await tools.run("mount", ["-t", "efivarfs", "efivarfs", place], { timeoutMs: EFI_TIMEOUT_MS });
    }
    if (isMac(files)) {
      const mac = await setMacBootDevice(disk, volumes, machine);
      if (mac !== undefined) return mac;
    }
  } catch (error) {
    // Without variables there is no entry, but there is still a fallback loader.
    log.warn({ err: error }, "the firmware's variables cannot be used");
  }
  const esp = volumes.find(({ type, fileSystem }) => systemPartitionTypes.includes(type) && fileSystem === "vfat");
  if (esp === undefined) return { detail: "the image has no EFI system partition", isWarning: true };
  try {
    return await startFrom(esp, { disk, image }, machine);
  } catch (error) {
    log.warn({ err: error }, "the boot entry was not set");
    return { detail: `the boot entry was not set: ${messageOf(error)}`, isWarning: true };
  }
}

async function startFrom(
  esp: RestoredVolume,
  { disk, image }: { readonly disk: string; readonly image: string },
  machine: BootEntryMachine,
): Promise<BootEntryResult> {
  const { tools, files, log } = machine;
  const suffix = loaderSuffix(files);
  const loader = await withVolume(esp, machine, (volume) => findLoader(volume, suffix));
  if (loader === undefined) return { detail: "no boot loader was found on the EFI system partition", isWarning: true };
  let why: string;
  try {
    const entry = { disk, partition: esp.number, label: `${LABEL_PREFIX}${image}`, loader: firmwarePath(loader) };
    const set = await replaceEntry(entry, tools);
    if (!set.isWarning) {
      // A Mac asks this before all entries.
      if (isMac(files)) await forgetMacBootDevice(machine);
      return set;
    }
    why = set.detail;
  } catch (error) {
    log.warn({ err: error }, "the boot entry was not set");
    why = `the boot entry was not set: ${messageOf(error)}`;
  }
  await withVolume(esp, machine, async (volume, directory) => {
    const copies = await fallbackPlan(volume, loader, suffix);
    for (const { from, to } of copies) log.info({ from, to }, "fallback loader");
    if (copies.length > 0) await copyLoaders(volume, directory, copies);
  });
  return { detail: `${why}. The disk has a loader that firmware starts by itself`, isWarning: true };
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
