import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import { VolumeFiles } from "../identity/volume-files.ts";
import type { Tools } from "../machine/tools.ts";
import type { RestoredVolume } from "./partitions.ts";

const MOUNT_TIMEOUT_MS = 60_000;
/** Unmounting writes everything out: a slow disk needs its time. */
const UNMOUNT_TIMEOUT_MS = 300_000;
const NTFS = "ntfs-3g";

type Mountable = {
  /** The kernel's name for it; ntfs-3g is a program, which mounts through FUSE. */
  readonly driver: string;
  readonly modules: readonly string[];
  readonly options: string;
  /** To read it alone: no log is replayed. */
  readonly readOptions: string;
};

/** Which file systems the agent mounts. */
const mountable: Readonly<Record<string, Mountable>> = {
  ext2: { driver: "ext4", modules: ["ext4"], options: "rw", readOptions: "ro,noload" },
  ext3: { driver: "ext4", modules: ["ext4"], options: "rw", readOptions: "ro,noload" },
  ext4: { driver: "ext4", modules: ["ext4"], options: "rw", readOptions: "ro,noload" },
  xfs: { driver: "xfs", modules: ["xfs"], options: "rw,nouuid", readOptions: "ro,norecovery,nouuid" },
  btrfs: { driver: "btrfs", modules: ["btrfs"], options: "rw", readOptions: "ro,rescue=nologreplay" },
  hfsplus: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force", readOptions: "ro" },
  hfsx: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force", readOptions: "ro" },
  vfat: { driver: "vfat", modules: ["nls_cp437", "nls_ascii", "vfat"], options: "rw", readOptions: "ro" },
  ntfs: { driver: NTFS, modules: ["fuse"], options: "rw", readOptions: "ro" },
};

/** Nothing of a restored system runs here, except where a person's own script does. */
const SEALED = "nodev,nosuid,noexec";

export type VolumeMachine = {
  readonly tools: Tools;
  readonly log: Logger;
  /** An empty directory of the agent's own to mount in. */
  readonly mountDirectory: string;
};

type MountOptions = {
  readonly runsPrograms?: boolean;
  readonly readsOnly?: boolean;
  readonly subvolume?: number;
};

/** True for a file system that `withVolume` can mount. */
export function isMountable(fileSystem: string): boolean {
  return Object.hasOwn(mountable, fileSystem);
}

/**
 * Mounts a volume for `use`, and unmounts it whatever happens.
 *
 * @param options.runsPrograms programs and devices on it may be used
 * @param options.readsOnly nothing is written to it, not even what a log still holds
 * @param options.subvolume of Btrfs: by its number, and not the one that the volume shows
 */
export async function withVolume<T>(
  volume: RestoredVolume,
  machine: VolumeMachine,
  use: (files: VolumeFiles, directory: string) => Promise<T>,
  { runsPrograms = false, readsOnly = false, subvolume }: MountOptions = {},
): Promise<T> {
  const { tools, log } = machine;
  const how = mountable[volume.fileSystem];
  if (how === undefined) throw new TypeError(`${volume.fileSystem} is not mounted by the agent`);
  const suffix = subvolume === undefined ? "" : `.${subvolume}`;
  const directory = join(machine.mountDirectory, `${volume.device.replaceAll("/", "_")}${suffix}`);
  await mkdir(directory, { recursive: true });
  for (const module of how.modules) {
    // Built into the kernel, or not there: the mount itself tells which.
    await tools.run("modprobe", [module], { timeoutMs: 30_000 }).catch((error: unknown) => {
      log.debug({ module, err: error }, "modprobe failed");
    });
  }
  const options = [
    readsOnly ? how.readOptions : how.options,
    ...(runsPrograms ? [] : [SEALED]),
    ...(subvolume === undefined ? [] : [`subvolid=${subvolume}`]),
  ].join(",");
  const [command, args] =
    how.driver === NTFS
      ? [NTFS, [volume.device, directory, "-o", options]]
      : ["mount", ["-t", how.driver, "-o", options, volume.device, directory]];
  try {
    await tools.run(command, args, { timeoutMs: MOUNT_TIMEOUT_MS });
  } catch (error) {
    // One that was stopped for being slow may have come through all the same.
    if (error instanceof Fault && error.code === "TOOL_TIMEOUT") await unmount(directory, tools).catch(() => undefined);
    throw error;
  }
  let result: T;
  try {
    result = await use(new VolumeFiles(directory), directory);
  } catch (error) {
    // The first error is the one to tell; the unmount must be tried all the same.
    await unmount(directory, tools).catch((second: unknown) => log.error({ err: second }, "unmounting failed, too"));
    throw error;
  }
  await unmount(directory, tools);
  return result;
}

async function unmount(directory: string, tools: Tools): Promise<void> {
  await tools.run("umount", [directory], { timeoutMs: UNMOUNT_TIMEOUT_MS });
}
