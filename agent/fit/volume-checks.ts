import { Fault } from "../../fault.ts";
import type { FitPlan, FitVolume } from "../../images/disk-fit/plan.ts";
import { tellOn } from "../tell-on.ts";
import { ntfsRefusal } from "../volumes/ntfs-state.ts";
import { volumeDevice } from "../volumes/partitions.ts";
import { withVolume } from "../volumes/volumes.ts";
import type { FitDisk, FitMachine } from "./fit-machine.ts";

/** Of a large disk that has to be read. */
const CHECK_TIMEOUT_MS = 2 * 3_600_000;
/** e2fsck(8): nothing was wrong; what was wrong is mended; the same, and a restart is wanted where it is mounted. */
const SOUND = [0, 1, 2];

/**
 * Looks whether the file systems that are about to change are sound, and replays what their logs still hold. Called
 * before anything changes, so that a damaged one is left as it is in the image.
 *
 * @returns by partition number, what is wrong, to go behind "it"
 */
export async function checkVolumes(
  disk: FitDisk,
  plan: FitPlan,
  machine: FitMachine,
  say: (line: string) => void,
): Promise<Map<number, string>> {
  const unsound = new Map<number, string>();
  const seen = new Set<number>();
  for (const step of plan.steps) {
    if (step.do !== "grow" && step.do !== "renew") continue;
    const { volume } = step;
    // Bytes that belong to no checksum are changed whatever else is in it; only a sleeping Windows would miss them.
    if (step.do === "renew" && typeof step.renewal.by !== "string" && volume.fileSystem !== "ntfs") continue;
    if (seen.has(volume.number)) continue;
    seen.add(volume.number);
    const line = `checking partition ${volume.number} (${volume.fileSystem})`;
    const trouble = await tellOn(line, { clock: machine.clock, say }, () => troubleOf(volume, disk, machine));
    if (trouble !== undefined) unsound.set(volume.number, trouble);
  }
  return unsound;
}

async function troubleOf(volume: FitVolume, disk: FitDisk, machine: FitMachine): Promise<string | undefined> {
  const device = volumeDevice(disk.path, volume.number);
  const { tools } = machine;
  try {
    switch (volume.fileSystem) {
      case "ext2":
      case "ext3":
      case "ext4":
        await tools.run("e2fsck", ["-f", "-p", device], { timeoutMs: CHECK_TIMEOUT_MS });
        return undefined;
      case "xfs":
      case "btrfs":
        // The kernel replays the log, or says why not.
        await withVolume({ ...volume, device, type: "" }, machine, async () => undefined);
        return undefined;
      case "ntfs": {
        // As for its name; ntfsresize alone, told to, grows a hibernated one, and Windows wakes up in another volume.
        const refusal = await ntfsRefusal(device, tools);
        if (refusal !== undefined) return `is left as it is: ${refusal}`;
        await tools.run("ntfsresize", ["--info", "--force", "--no-progress-bar", device], {
          timeoutMs: CHECK_TIMEOUT_MS,
        });
        return undefined;
      }
      default:
        return undefined;
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "TOOL_FAILED") throw error;
    const code = Number(/exit code (\d+)/.exec(error.what)?.[1]);
    if (volume.fileSystem.startsWith("ext") && SOUND.includes(code)) return undefined;
    return `is not sound (${error.what})`;
  }
}
