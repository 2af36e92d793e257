import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { planFit } from "../../images/disk-fit/plan.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../images/file-system.ts";
import { readNtfsFreeSpace } from "../../images/free-space/ntfs.ts";
import { Implausible, Volume } from "../../images/free-space/volume.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { describeFit } from "../fit/describe-fit.ts";
import type { Identity, IdentityModule } from "../identity/change.ts";
import type { FileTree } from "../identity/file-tree.ts";
import { HfsPlusTree } from "../identity/hfs-plus-tree.ts";
import { MountedTree } from "../identity/mounted-tree.ts";
import { type ModulePlan, planVolume } from "../identity/plan-volume.ts";
import { apfsNote } from "../volumes/apfs-note.ts";
import { editorFor } from "../volumes/hfsplus-volume.ts";
import { withBtrfs } from "../volumes/name-volumes.ts";
import { isMountable, type VolumeMachine, withVolume } from "../volumes/volumes.ts";
import { readFully } from "./target.ts";

const TOOL_TIMEOUT_MS = 30_000;
/** Where a GPT was made for others, its place says so. */
const FILE_SECTOR_BYTES = 512;

/** What would be done to one volume. */
export type VolumePlan = {
  /** 0: the disk has no partitions, and is one file system. */
  readonly number: number;
  readonly fileSystem: string;
  readonly label: string;
  readonly plans: readonly ModulePlan[];
  /** Why nothing of it would be changed; absent where something may. */
  readonly leftAlone?: string;
};

type Part = {
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly label: string;
};

/**
 * What every module would do to the systems on a disk, or in a file that holds one. It is opened for reading only, and
 * what is mounted of it is mounted from a loop device that takes no writes: not even a file system's log is played back.
 *
 * @throws {Fault} PLAN_NEEDS_ROOT, what reading or mounting failed with
 */
export async function planDisk(
  path: string,
  modules: readonly IdentityModule[],
  identity: Identity,
  machine: Pick<VolumeMachine, "tools" | "log">,
): Promise<VolumePlan[]> {
  const handle = await open(path, "r");
  const mountDirectory = await mkdtemp(join(tmpdir(), "bootcast-plan-"));
  try {
    const source = await sourceOf(handle, path, machine);
    const { scheme, partitions } = await readDiskLayout(source);
    const whole = { number: 0, startBytes: 0, sizeBytes: source.sizeBytes, label: "" };
    const found: VolumePlan[] = [];
    for (const part of scheme === "none" ? [whole] : partitions) {
      const probe = await source.read(part.startBytes, Math.min(FILE_SYSTEM_PROBE_BYTES, part.sizeBytes));
      const fileSystem = fileSystemOf(probe);
      const plans: ModulePlan[] = [];
      const plan = async (tree: FileTree) => {
        plans.push(...(await planVolume(tree, modules, identity)));
      };
      const leftAlone = await look(path, source, { ...part, fileSystem }, plan, { ...machine, mountDirectory });
      const { number, label } = part;
      found.push({ number, fileSystem, label, plans, ...(leftAlone !== undefined && { leftAlone }) });
    }
    return found;
  } finally {
    await handle.close();
    await rm(mountDirectory, { recursive: true, force: true });
  }
}

/**
 * How the restored disk would be made to fit this machine, in words: table, last partition, file system. Reads only.
 *
 * @throws {Fault} GPT_DAMAGED, PARTITION_OUTSIDE
 */
export async function planDiskFit(path: string, machine: Pick<VolumeMachine, "tools">): Promise<string[]> {
  const handle = await open(path, "r");
  try {
    const source = await sourceOf(handle, path, machine);
    return describeFit(await planFit(source, FILE_SECTOR_BYTES, { grow: "last", ids: "keep", seed: "" }));
  } finally {
    await handle.close();
  }
}

/** @returns why nothing of it would be changed */
async function look(
  path: string,
  source: BlockSource,
  part: Part & { readonly fileSystem: string },
  plan: (tree: FileTree) => Promise<void>,
  machine: VolumeMachine,
): Promise<string | undefined> {
  const { fileSystem, startBytes, sizeBytes, number } = part;
  if (fileSystem === "apfs") return apfsNote(new Volume(source, startBytes, sizeBytes));
  if (fileSystem === "hfsplus" || fileSystem === "hfsx") {
    const editor = await editorFor(source, { startBytes, endBytes: startBytes + sizeBytes });
    if (typeof editor === "string") return `would be left as it is: ${editor}.`;
    await plan(new HfsPlusTree(editor, 0));
    return undefined;
  }
  if (!isMountable(fileSystem)) return "holds nothing that is changed.";
  if (fileSystem === "ntfs") {
    const problem = await ntfsProblem(new Volume(source, startBytes, sizeBytes));
    if (problem !== undefined) return `would be left as it is: it ${problem}.`;
  }
  if (process.getuid?.() !== 0) {
    throw new Fault("PLAN_NEEDS_ROOT", {
      what: `The ${fileSystem} volume of ${path} was not looked into.`,
      why: "It has to be mounted for reading, and only root may mount.",
      fix: "Run it as root: sudo bootcast agent --plan …",
    });
  }
  const place = ["--offset", String(startBytes), "--sizelimit", String(sizeBytes)];
  const args = ["--find", "--show", "--read-only", ...place, path];
  const device = (await machine.tools.run("losetup", args, { timeoutMs: TOOL_TIMEOUT_MS })).trim();
  try {
    const volume = { device, number, sizeBytes, fileSystem, type: "" };
    if (fileSystem === "btrfs") await withBtrfs(volume, machine, plan, { readsOnly: true });
    else await withVolume(volume, machine, (_, root) => plan(new MountedTree(root)), { readsOnly: true });
  } finally {
    await machine.tools.run("losetup", ["--detach", device], { timeoutMs: TOOL_TIMEOUT_MS });
  }
  return undefined;
}

async function ntfsProblem(volume: Volume): Promise<string | undefined> {
  try {
    const state = await readNtfsFreeSpace(volume);
    return state.state === "dirty" ? state.problem : undefined;
  } catch (error) {
    if (error instanceof Implausible) return `is damaged: ${error.message}`;
    throw error;
  }
}

async function sourceOf(
  handle: FileHandle,
  path: string,
  { tools }: Pick<VolumeMachine, "tools">,
): Promise<BlockSource> {
  const stats = await handle.stat();
  const sizeBytes = stats.isBlockDevice()
    ? Number(await tools.run("blockdev", ["--getsize64", path], { timeoutMs: TOOL_TIMEOUT_MS }))
    : stats.size;
  return {
    sizeBytes,
    async read(offset, length) {
      const bytes = Buffer.alloc(length);
      await readFully(handle, bytes, offset, path);
      return bytes;
    },
  };
}
