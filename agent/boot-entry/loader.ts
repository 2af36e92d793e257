import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { VolumeFiles } from "../identity/volume-files.ts";

/**
 * The loader to start: the one that a known system installed for itself, else the fallback one that every removable
 * medium has (UEFI section 3.5.1). Not the reverse: Ubuntu's and Fedora's fallback loader is shim with fbx64.efi
 * beside it, which makes boot entries of its own, puts them before the network, and restarts. FAT does not distinguish
 * case, the kernel shows names as they were written.
 *
 * @param suffix "X64", "IA32" or "AA64"
 * @returns its path inside the volume
 */
export async function findLoader(volume: VolumeFiles, suffix: string): Promise<string | undefined> {
  const efi = await volume.find("/EFI");
  if (efi === undefined) return undefined;
  const vendors = (await volume.list(efi)).filter((name) => name.toUpperCase() !== "BOOT");
  // A Linux loader first: beside Windows it is the one with a menu for both.
  for (const name of vendorLoaders(suffix)) {
    for (const vendor of vendors) {
      const found =
        (await volume.find(`${efi}/${vendor}/${name}`)) ?? (await volume.find(`${efi}/${vendor}/Boot/${name}`));
      if (found !== undefined) return found;
    }
  }
  return volume.find(fallbackPath(suffix));
}

function vendorLoaders(suffix: string): string[] {
  const lower = suffix.toLowerCase();
  return [`shim${lower}.efi`, `grub${lower}.efi`, `systemd-boot${lower}.efi`, "bootmgfw.efi"];
}

function fallbackPath(suffix: string): string {
  return `/EFI/BOOT/BOOT${suffix}.EFI`;
}

/** "\EFI\BOOT\BOOTX64.EFI": as firmware writes a path. */
export function firmwarePath(path: string): string {
  return path.replaceAll("/", "\\");
}

/** One file that is copied inside the volume. */
export type Copied = { readonly from: string; readonly to: string };

/**
 * What has to be copied so that firmware without a boot entry starts `loader`, too: nothing where there is a fallback
 * loader already. shim starts what lies beside it, so that goes along.
 */
export async function fallbackPlan(volume: VolumeFiles, loader: string, suffix: string): Promise<Copied[]> {
  const to = fallbackPath(suffix);
  if ((await volume.find(to)) !== undefined) return [];
  const copies: Copied[] = [{ from: loader, to }];
  if (/\/shim[^/]*$/i.test(loader)) {
    const lower = suffix.toLowerCase();
    for (const name of [`grub${lower}.efi`, `mm${lower}.efi`]) {
      const from = await volume.find(`${loader.slice(0, loader.lastIndexOf("/"))}/${name}`);
      const beside = `/EFI/BOOT/${name}`;
      if (from !== undefined && (await volume.find(beside)) === undefined) copies.push({ from, to: beside });
    }
  }
  return copies;
}

/** @param directory where the EFI system partition is mounted */
export async function copyLoaders(volume: VolumeFiles, directory: string, copies: readonly Copied[]): Promise<void> {
  const efi = (await volume.find("/EFI")) ?? "/EFI";
  const boot = (await volume.find("/EFI/BOOT")) ?? `${efi}/BOOT`;
  await mkdir(join(directory, boot), { recursive: true });
  // The loader itself last: half a chain does not start.
  for (const { from, to } of copies.toReversed()) {
    await copyFile(join(directory, from), join(directory, boot, to.slice(to.lastIndexOf("/") + 1)));
  }
}
