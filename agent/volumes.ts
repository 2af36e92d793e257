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

/** Which file systems the agent changes, with the driver's name, its modules and options. */
const mountable: Readonly<Record<string, { driver: string; modules: readonly string[]; options: string }>> = {
  ext2: { driver: "ext4", modules: ["ext4"], options: "rw,nodev,nosuid,noexec" },
  ext3: { driver: "ext4", modules: ["ext4"], options: "rw,nodev,nosuid,noexec" },
  ext4: { driver: "ext4", modules: ["ext4"], options: "rw,nodev,nosuid,noexec" },
  hfsplus: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force,nodev,nosuid,noexec" },
  hfsx: { driver: "hfsplus", modules: ["nls_utf8", "hfsplus"], options: "rw,force,nodev,nosuid,noexec" },
  vfat: { driver: "vfat", modules: ["nls_cp437", "nls_ascii", "vfat"], options: "rw,nodev,nosuid,noexec" },
};

/** What was done on all volumes together. */
export type NamingResult = {
  readonly changes: number;
  /** Modules that applied, each once. */
  readonly modules: readonly string[];
  /** What a person should know. */
  readonly notes: readonly string[];
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
  let changes = 0;
  for (const volume of volumes) {
    // The EFI system partition has no identity in it.
    if (!isMountable(volume.fileSystem) || volume.fileSystem === "vfat") continue;
    const refusal = await refusalOfVolume(volume);
    if (refusal !== undefined) {
      notes.push(`${volume.device} (${volume.fileSystem}) was left as it is: ${refusal}.`);
      continue;
    }
    await withVolume(volume, machine, async (files) => {
      for (const module of modules) {
        const plan = await module.plan(files, identity);
        if (plan === undefined) continue;
        for (const change of plan.changes) machine.log.info({ module: module.name }, describeChange(change));
        await applyChanges(files, plan.changes);
        applied.add(module.name);
        changes += plan.changes.length;
        notes.push(...plan.notes);
      }
    });
  }
  return { changes, modules: [...applied], notes };
}

/** Mounts a volume for `use`, and unmounts it whatever happens. */
export async function withVolume<T>(
  volume: RestoredVolume,
  machine: VolumeMachine,
  use: (files: VolumeFiles, directory: string) => Promise<T>,
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
  const { driver, options } = how;
  try {
    await tools.run("mount", ["-t", driver, "-o", options, volume.device, directory], { timeoutMs: MOUNT_TIMEOUT_MS });
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

async function refusalOfVolume(volume: RestoredVolume): Promise<string | undefined> {
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
