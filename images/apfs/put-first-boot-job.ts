import { Fault } from "../../fault.ts";
import type { BlockSource, ByteRange } from "../block.ts";
import { Implausible, Volume } from "../free-space/volume.ts";
import type { DiskLayout } from "../partition-table.ts";
import { StagedBlocks } from "../staged-blocks.ts";
import { volumesOf } from "../unused-cells.ts";
import { type ApfsVolume, DATA_ROLE, readApfsVolumes } from "./container.ts";
import { ContainerEditor } from "./container-editor.ts";
import { FIRST_BOOT_JOB, SYSTEM_VERSION } from "./first-boot.ts";
import { hasPath } from "./paths.ts";
import { ApfsVolumeEditor } from "./volume-editor.ts";
import { JOB_IN_MASTER } from "./warnings.ts";

/** A disk with the job of a Mac's first start in it. */
export type DiskWithJob = {
  /** The disk as it is then. What was given is never written. */
  readonly source: BlockSource;
  /** What differs from it, ascending; nothing where the job was there already. */
  readonly changed: readonly ByteRange[];
  /** The volume that holds the job. */
  readonly volumeName: string;
};

type Place = { readonly container: ByteRange; readonly volume: ApfsVolume };

/**
 * Puts the job of a Mac's first start into the macOS on a disk: on the volume beside the system that holds all that
 * changes, or where there is only one, on that.
 *
 * @param job.volumeName which volume, where a disk has several systems
 * @param job.now nanoseconds since 1970
 * @throws {Fault} APFS_JOB_NO_SYSTEM, APFS_JOB_CHOICE, APFS_JOB_REFUSED
 */
export async function putFirstBootJob(
  source: BlockSource,
  layout: DiskLayout,
  job: { readonly content: Uint8Array; readonly volumeName?: string | undefined; readonly now: bigint },
): Promise<DiskWithJob> {
  const { container, volume } = await placeOfJob(source, layout, job.volumeName);
  const volumeName = volume.name;
  try {
    if (!volume.isEncrypted && (await hasPath(volume, FIRST_BOOT_JOB))) return { source, changed: [], volumeName };
    const staged = new StagedBlocks(source);
    const editor = await ContainerEditor.open(volumeOn(staged, container), staged);
    const files = await ApfsVolumeEditor.open(editor, volume.id);
    await files.addFile(FIRST_BOOT_JOB, job.content, { now: job.now });
    const changed = staged.changes().map(({ at, bytes }) => ({ startBytes: at, endBytes: at + bytes.length }));
    return { source: staged, changed, volumeName };
  } catch (error) {
    if (!(error instanceof Implausible)) throw error;
    throw new Fault("APFS_JOB_REFUSED", {
      what: `The job for a Mac's first start cannot be put into the volume "${volumeName}".`,
      why: `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`,
      fix: `${JOB_IN_MASTER}.`,
    });
  }
}

async function placeOfJob(source: BlockSource, layout: DiskLayout, name: string | undefined): Promise<Place> {
  const places: Place[] = [];
  const problems: string[] = [];
  for (const found of await volumesOf(source, layout)) {
    if (found.fileSystem !== "apfs") continue;
    try {
      for (const volume of await systemsIn(volumeOn(source, found))) places.push({ container: found, volume });
    } catch (error) {
      if (!(error instanceof Implausible)) throw error;
      problems.push(` ${found.name.charAt(0).toUpperCase()}${found.name.slice(1)} cannot be read: ${error.message}.`);
    }
  }
  const chosen = places.filter(({ volume }) => name === undefined || volume.name === name);
  const [place] = chosen;
  const names = places.map(({ volume }) => `"${volume.name}"`).join(", ");
  if (place === undefined)
    throw new Fault("APFS_JOB_NO_SYSTEM", {
      what: "There is no macOS for the job of a Mac's first start.",
      why:
        places.length === 0
          ? `No macOS was found in APFS on this disk.${problems.join("")}`
          : `No volume with a macOS is called "${name}"; there is ${names}.`,
      fix:
        places.length === 0
          ? "Leave --first-boot-job out: a macOS on HFS+ is named when its disk is restored, and other systems, too."
          : `Name the one that clones start from: --first-boot-job ${names.split(", ")[0]}.`,
    });
  if (chosen.length > 1)
    throw new Fault("APFS_JOB_CHOICE", {
      what: "There is more than one macOS for the job of a Mac's first start.",
      why: `These volumes hold one: ${names}.`,
      fix: `Name the one that clones start from: --first-boot-job ${names.split(", ")[0]}. Or: ${JOB_IN_MASTER}.`,
    });
  return place;
}

/** From macOS 10.15 on, what changes lies on a volume of its own; before, all of it on one. */
async function systemsIn(container: Volume): Promise<ApfsVolume[]> {
  const volumes = await readApfsVolumes(container);
  const data = volumes.filter(({ role }) => role === DATA_ROLE);
  if (data.length > 0) return data;
  const systems: ApfsVolume[] = [];
  for (const volume of volumes) {
    const holdsSystem = volume.role === 0 && (volume.isEncrypted || (await hasPath(volume, SYSTEM_VERSION)));
    if (holdsSystem) systems.push(volume);
  }
  return systems;
}

function volumeOn(source: BlockSource, { startBytes, endBytes }: ByteRange): Volume {
  return new Volume(source, startBytes, endBytes - startBytes);
}
