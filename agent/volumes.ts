import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import type { BlockSource } from "../images/block.ts";
import { readFully } from "./disk-target.ts";
import { hfsPlusRefusal } from "./hfsplus-state.ts";
import { applyChanges, describeChange, type Identity, type IdentityModule } from "./identity/change.ts";
import { VolumeFiles } from "./identity/volume-files.ts";
import type { RestoredVolume } from "./partitions.ts";
import type { Tools } from "./tools.ts";

const MOUNT_TIMEOUT_MS = 60_000;
/** Unmounting writes everything out: a slow disk needs its time. */
const UNMOUNT_TIMEOUT_MS = 300_000;
const NTFS = "ntfs-3g";

type Mountable = {
  /** The kernel's name for it; ntfs-3g is a program, which mounts through FUSE. */
  readonly driver: string;
  readonly modules: readonly string[];
  readonly options: string;
};

/** Which file systems the agent changes. */
const mountable: Readonly<Record<string, Mountable>> = {
  ext2: { driver: "ext4", modules: ["ext4"], options: "rw" },
  ext3: { driver: "ext4", modules: ["ext4"], options: "rw" },
  ext4: { driver: "ext4", modules: ["ext4"], options: "rw" },
  xfs: { driver: "xfs", modules: ["xfs"], options: "rw,nouuid" },
  btrfs: { driver: "btrfs", modules: ["btrfs"], options: "rw" },
  hfsplus: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force" },
  hfsx: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force" },
  vfat: { driver: "vfat", modules: ["nls_cp437", "nls_ascii", "vfat"], options: "rw" },
  ntfs: { driver: NTFS, modules: ["fuse"], options: "rw" },
};

/** Nothing of a restored system runs here, except where a person's own script does. */
const SEALED = "nodev,nosuid,noexec";

/** What was done on all volumes together. */
export type NamingResult = {
  readonly changes: number;
  /** Modules that applied, each once. */
  readonly modules: readonly string[];
  /** What a person should know. */
  readonly notes: readonly string[];
  /** The volumes that hold a system: those that a module had something to do with. */
  readonly systems: readonly RestoredVolume[];
};

export type VolumeMachine = {
  readonly tools: Tools;
  readonly log: Logger;
  /** An empty directory of the agent's own to mount in. */
  readonly mountDirectory: string;
};

/** True for a file system that `withVolume` can mount. */
function isMountable(fileSystem: string): boolean {
  return Object.hasOwn(mountable, fileSystem);
}

/**
 * Gives every restored volume its host's identity: mounts one after the other,
 * lets each module plan, carries the plans out, unmounts.
 *
 * @throws {Fault} what a module or the unmounting failed with; a volume is unmounted in any case
 */
export async function nameVolumes(
  volumes: readonly RestoredVolume[],
  modules: readonly IdentityModule[],
  identity: Identity,
  machine: VolumeMachine,
): Promise<NamingResult> {
  const applied = new Set<string>();
  const notes: string[] = [];
  const systems: RestoredVolume[] = [];
  let changes = 0;
  for (const volume of volumes) {
    if (volume.fileSystem === "apfs") notes.push(`${volume.device} (apfs) ${APFS_NOTE}`);
    // The EFI system partition has no identity in it, but its boot loader may look for a file system.
    const isWorthALook = volume.fileSystem !== "vfat" || (identity.renewedUuids?.size ?? 0) > 0;
    if (!isMountable(volume.fileSystem) || !isWorthALook) continue;
    const refusal = await refusalOfVolume(volume, machine.tools);
    if (refusal !== undefined) {
      notes.push(`${volume.device} (${volume.fileSystem}) was left as it is: ${refusal}.`);
      continue;
    }
    await withVolume(volume, machine, async (files) => {
      for (const module of modules) {
        const plan = await module.plan(files, identity);
        if (plan === undefined) continue;
        if (systems.at(-1) !== volume) systems.push(volume);
        for (const change of plan.changes) machine.log.info({ module: module.name }, describeChange(change));
        await applyChanges(files, plan.changes);
        applied.add(module.name);
        changes += plan.changes.length;
        notes.push(...plan.notes);
      }
    });
  }
  return { changes, modules: [...applied], notes, systems };
}

/** APFS of any macOS: Linux can only read it. */
const APFS_NOTE =
  "was left as it is: Linux only reads APFS. Its names change by a first-boot job that was put into the image before it was captured, or by a person.";

/**
 * Mounts a volume for `use`, and unmounts it whatever happens.
 *
 * @param options.runsPrograms programs and devices on it may be used
 */
export async function withVolume<T>(
  volume: RestoredVolume,
  machine: VolumeMachine,
  use: (files: VolumeFiles, directory: string) => Promise<T>,
  { runsPrograms = false }: { readonly runsPrograms?: boolean } = {},
): Promise<T> {
  const { tools, log } = machine;
  const how = mountable[volume.fileSystem];
  if (how === undefined) throw new TypeError(`${volume.fileSystem} is not mounted by the agent`);
  const directory = join(machine.mountDirectory, volume.device.replaceAll("/", "_"));
  await mkdir(directory, { recursive: true });
  for (const module of how.modules) {
    // Built into the kernel, or not there: the mount itself tells which.
    await tools.run("modprobe", [module], { timeoutMs: 30_000 }).catch((error: unknown) => {
      log.debug({ module, err: error }, "modprobe failed");
    });
  }
  const options = runsPrograms ? how.options : `${how.options},${SEALED}`;
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

/** Why a volume is not written to, in words; undefined when it may be. */
async function refusalOfVolume(volume: RestoredVolume, tools: Tools): Promise<string | undefined> {
  if (volume.fileSystem === "ntfs") return ntfsRefusal(volume, tools);
  if (volume.fileSystem !== "hfsplus" && volume.fileSystem !== "hfsx") return undefined;
  const handle = await open(volume.device, "r");
  try {
    const source: BlockSource = {
      sizeBytes: volume.sizeBytes,
      async read(offset, length) {
        const bytes = Buffer.alloc(length);
        await readFully(handle, bytes, offset, volume.device);
        return bytes;
      },
    };
    return await hfsPlusRefusal(source);
  } catch (error) {
    if (error instanceof Fault) return error.what;
    throw error;
  } finally {
    await handle.close();
  }
}

/** Exit codes of ntfs-3g.probe(8) that are about the volume and not about the machine. */
const ntfsRefusals: Readonly<Record<number, string>> = {
  12: "it does not begin as an NTFS volume",
  13: "it is damaged: run chkdsk on the master",
  14: "its Windows is hibernated, or was shut down with fast start-up on: shut the master down fully (shutdown /s /t 0)",
  15: "it was not unmounted cleanly: start the master once, and shut it down",
  16: "it is a part of a Windows RAID",
};

async function ntfsRefusal(volume: RestoredVolume, tools: Tools): Promise<string | undefined> {
  try {
    await tools.run("ntfs-3g.probe", ["--readwrite", volume.device], { timeoutMs: MOUNT_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "TOOL_FAILED") throw error;
    const code = Number(/exit code (\d+)/.exec(error.what)?.[1]);
    const why = ntfsRefusals[code];
    if (why === undefined) throw error;
    return why;
  }
}
