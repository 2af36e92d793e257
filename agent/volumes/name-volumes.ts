import { Fault } from "../../fault.ts";
import { Volume } from "../../images/free-space/volume.ts";
import { DiskSource } from "../disk/source.ts";
import { btrfsSystems } from "../identity/btrfs-systems.ts";
import { applyChanges, describeChange, type Identity, type IdentityModule } from "../identity/change.ts";
import type { FileTree } from "../identity/file-tree.ts";
import { MountedTree } from "../identity/mounted-tree.ts";
import { planVolume } from "../identity/plan-volume.ts";
import { VolumeFiles } from "../identity/volume-files.ts";
import { apfsNote } from "./apfs-note.ts";
import { withHfsPlus } from "./hfsplus-volume.ts";
import { ntfsRefusal } from "./ntfs-state.ts";
import type { RestoredVolume } from "./partitions.ts";
import { isMountable, type VolumeMachine, withVolume } from "./volumes.ts";

/** What was done on all volumes together. */
export type NamingResult = {
  readonly changes: number;
  /** Modules that applied, each once. */
  readonly modules: readonly string[];
  /** What a person should know. */
  readonly notes: readonly string[];
  /** The volumes that hold a system: those that a module had something to do with. */
  readonly systems: readonly RestoredVolume[];
  /** One of them says at its first start that it is up. */
  readonly callsWhenUp?: boolean;
};

/** What a damaged or unusual HFS+ volume ends in: it stays as it was restored, and that is no reason to fail the host. */
const leftAlone = ["HFSPLUS_UNCHANGED", "COMPRESSED_UNKNOWN"];

/**
 * Gives every restored volume its host's identity: opens one after the other,
 * lets each module plan, carries the plans out, closes.
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
  const calling = new Set<RestoredVolume>();
  for (const volume of volumes) {
    const name = async (tree: FileTree) => {
      const plans = await planVolume(tree, modules, identity);
      if (plans.length > 0 && systems.at(-1) !== volume) systems.push(volume);
      for (const plan of plans) {
        for (const change of plan.changes) machine.log.info({ module: plan.module }, describeChange(change));
        await applyChanges(new VolumeFiles(tree), plan.changes);
        applied.add(plan.module);
        changes += plan.changes.length;
        notes.push(...plan.notes);
        if (plan.callsWhenUp === true) calling.add(volume);
      }
    };
    const refusal = await withSystems(volume, identity, machine, name);
    if (refusal !== undefined) notes.push(`${volume.device} (${volume.fileSystem}) ${refusal}`);
  }
  return { changes, modules: [...applied], notes, systems, ...(calling.size > 0 && { callsWhenUp: true }) };
}

/** @returns why none of it is changed, where a person should know */
async function withSystems(
  volume: RestoredVolume,
  identity: Identity,
  machine: VolumeMachine,
  name: (tree: FileTree) => Promise<void>,
): Promise<string | undefined> {
  const { fileSystem, device, sizeBytes } = volume;
  if (fileSystem === "apfs") return noteOfApfs(volume, machine);
  if (fileSystem === "hfsplus" || fileSystem === "hfsx") {
    try {
      const done = await withHfsPlus({ path: device, sizeBytes }, Math.floor(Date.now() / 1000), name);
      return "refusal" in done ? `was left as it is: ${done.refusal}.` : undefined;
    } catch (error) {
      if (error instanceof Fault && leftAlone.includes(error.code))
        return `was left as it is: ${error.what} ${error.why}`;
      throw error;
    }
  }
  // The EFI system partition has no identity in it, but its boot loader may look for a file system.
  const isWorthALook = fileSystem !== "vfat" || (identity.renewedUuids?.size ?? 0) > 0;
  if (!isMountable(fileSystem) || !isWorthALook) return undefined;
  const refusal = fileSystem === "ntfs" ? await ntfsRefusal(device, machine.tools) : undefined;
  if (refusal !== undefined) return `was left as it is: ${refusal}.`;
  if (fileSystem === "btrfs") {
    await withBtrfs(volume, machine, name);
    return undefined;
  }
  await withVolume(volume, machine, (_, directory) => name(new MountedTree(directory)));
  return undefined;
}

async function noteOfApfs({ device, sizeBytes }: RestoredVolume, { tools }: VolumeMachine): Promise<string> {
  const source = await DiskSource.open({ path: device, sizeBytes }, tools);
  try {
    return await apfsNote(new Volume(source, 0, sizeBytes));
  } finally {
    await source.close();
  }
}

/** Mounted twice: as it shows itself, and all of it, where its systems may lie in subvolumes. */
export async function withBtrfs(
  volume: RestoredVolume,
  machine: VolumeMachine,
  use: (tree: FileTree) => Promise<void>,
  options: { readonly readsOnly?: boolean } = {},
): Promise<void> {
  await withVolume(
    volume,
    machine,
    (_, shown) =>
      withVolume(
        volume,
        machine,
        async (_, top) => {
          for (const tree of await btrfsSystems(shown, top)) await use(tree);
        },
        { ...options, subvolume: 5 },
      ),
    options,
  );
}
