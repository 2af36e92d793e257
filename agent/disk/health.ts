import type { Disk } from "../contract.ts";
import type { Tools } from "../machine/tools.ts";

/** A disk that answers no question does not hold up the others. */
const HEALTH_TIMEOUT_MS = 10_000;

/** smartctl(8), exit status: bit 3, "SMART status check returned DISK FAILING". */
const FAILING_BIT = 8;

/**
 * How smartctl asks this disk whether it will fail; undefined where it would open the disk for writing to do so (SCSI
 * and USB), or where there is nothing to ask. ATA disks are asked through their own node opened for reading, NVMe
 * through the controller's.
 */
export function healthQuestion(disk: Pick<Disk, "path" | "transport">): readonly string[] | undefined {
  if (disk.transport === "sata") return ["--health", "--device=ata", disk.path];
  const controller = /^(\/dev\/nvme\d+)n\d+$/.exec(disk.path)?.[1];
  return controller === undefined ? undefined : ["--health", "--device=nvme", controller];
}

/** Why the disk is about to fail, in its own opinion; undefined when it does not say so. */
export async function failureOf(disk: Disk, tools: Tools): Promise<string | undefined> {
  const question = healthQuestion(disk);
  if (question === undefined) return undefined;
  try {
    await tools.run("smartctl", question, { timeoutMs: HEALTH_TIMEOUT_MS, goneWithinMs: 0 });
    return undefined;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
    // Every other status is about the question (no SMART, no program), and says nothing of the disk.
    const isFailing = typeof code === "number" && (code & FAILING_BIT) !== 0;
    return isFailing ? "its own check (SMART) says that it will fail soon" : undefined;
  }
}
