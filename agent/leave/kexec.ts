import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { VolumeFiles } from "../identity/volume-files.ts";
import type { Tools } from "../machine/tools.ts";
import type { RestoredVolume } from "../volumes/partitions.ts";
import { type VolumeMachine, withVolume } from "../volumes/volumes.ts";
import { grubChoice, type KernelChoice, specificationChoice } from "./boot-config.ts";

/** A kernel and an initrd of some hundred megabytes, off a slow disk. */
const LOAD_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 30_000;

/** A volume's own, and those of a volume that is /boot. */
const menus = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub/grub.cfg", "/grub2/grub.cfg"];
const entries = ["/boot/loader/entries", "/loader/entries"];

/** On which there may be a kernel. */
const bootable = ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"];

/**
 * Loads the kernel that the restored disk's own boot loader would start, so that `startKernel` can start it.
 *
 * @returns what was loaded, for the screen
 * @throws {Fault} KEXEC_NO_KERNEL, and what mounting and kexec fail with
 */
export async function loadKernel(volumes: readonly RestoredVolume[], machine: VolumeMachine): Promise<string> {
  for (const volume of volumes.filter(({ fileSystem }) => bootable.includes(fileSystem))) {
    const loaded = await withVolume(volume, machine, async (files, directory) => {
      const choice = await choiceOn(files);
      if (choice === undefined) return undefined;
      await load(choice, files, directory, machine.tools);
      return choice.kernel;
    });
    if (loaded !== undefined) return `${loaded} of ${volume.device} starts at once`;
  }
  throw new Fault("KEXEC_NO_KERNEL", {
    what: "No kernel was found that can be started at once.",
    why: "No volume of the image has a boot menu that names a Linux in plain words (grub.cfg, loader/entries).",
    fix: "The machine restarts instead. Order --then reboot for this image.",
  });
}

/** Starts what was loaded; does not come back when it works. @throws {Fault} of the tools */
export async function startKernel(tools: Tools): Promise<void> {
  await tools.run("sync", [], { timeoutMs: LOAD_TIMEOUT_MS, goneWithinMs: 0 });
  await tools.run("kexec", ["--exec"], { timeoutMs: START_TIMEOUT_MS });
}

/** What the loader of this volume would start, when its files are there. */
async function choiceOn(files: VolumeFiles): Promise<KernelChoice | undefined> {
  for (const path of menus) {
    const text = await files.readText(path);
    const choice = text === undefined ? undefined : grubChoice(text);
    if (choice !== undefined && (await isThere(files, choice))) return choice;
  }
  for (const directory of entries) {
    const texts: string[] = [];
    for (const name of await files.list(directory)) {
      const text = name.endsWith(".conf") ? await files.readText(`${directory}/${name}`) : undefined;
      if (text !== undefined) texts.push(text);
    }
    const choice = specificationChoice(texts);
    if (choice !== undefined && (await isThere(files, choice))) return choice;
  }
  return undefined;
}

async function isThere(files: VolumeFiles, { kernel, initrds }: KernelChoice): Promise<boolean> {
  for (const path of [kernel, ...initrds]) if ((await files.stat(path))?.isFile() !== true) return false;
  // kexec takes one.
  return initrds.length <= 1;
}

async function load(choice: KernelChoice, files: VolumeFiles, directory: string, tools: Tools): Promise<void> {
  const real = async (path: string) => join(directory, await files.resolve(path));
  const [initrd] = choice.initrds;
  // By the kernel itself, which also checks the signature where Secure Boot asks for one.
  const args = ["--kexec-file-syscall", "--load", await real(choice.kernel)];
  if (initrd !== undefined) args.push(`--initrd=${await real(initrd)}`);
  await tools.run("kexec", [...args, `--command-line=${choice.commandLine}`], { timeoutMs: LOAD_TIMEOUT_MS });
}
