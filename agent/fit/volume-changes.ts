import { Fault } from "../../fault.ts";
import { growFat } from "../../images/disk-fit/fat-growth.ts";
import type { FitStep, FitVolume } from "../../images/disk-fit/plan.ts";
import { readVolumeFacts } from "../../images/disk-fit/volume-facts.ts";
import type { VolumeRenewal } from "../../images/disk-fit/volume-ids.ts";
import { DiskSource } from "../disk/source.ts";
import { volumeDevice } from "../volumes/partitions.ts";
import { withVolume } from "../volumes/volumes.ts";
import { type FitDisk, type FitMachine, writeToDisk } from "./fit-machine.ts";

/** All metadata of a large file system is written anew. */
const CHANGE_TIMEOUT_MS = 2 * 3_600_000;

/** Gives a file system its new number, and looks whether it has it. */
export async function renewVolume(
  volume: FitVolume,
  { to, by }: VolumeRenewal,
  disk: FitDisk,
  machine: FitMachine,
): Promise<void> {
  const device = volumeDevice(disk.path, volume.number);
  const run = (command: string, args: readonly string[]) =>
    machine.tools.run(command, args, { timeoutMs: CHANGE_TIMEOUT_MS });
  if (typeof by !== "string") {
    await writeToDisk(disk, async (target) => {
      for (const { at, bytes } of by) await target.write(volume.startBytes + at, bytes);
    });
  } else {
    await forget(device, machine);
    if (by === "tune2fs") await run("tune2fs", ["-U", to, device]);
    // xfs_admin(8) is a shell script around this.
    else if (by === "xfs_db") await run("xfs_db", ["-x", "-p", "xfs_admin", "-c", `uuid ${to}`, device]);
    else await run("btrfstune", ["-f", "-U", to, device]);
  }
  const has = await idOf(volume, disk, machine);
  if (has !== to)
    throw new Fault("NUMBER_KEPT", {
      what: `It still has ${has}.`,
      why: "Its program said that it changed it.",
      fix: "Keep the numbers (--ids keep).",
    });
}

/** Makes a file system as large as its partition. */
export async function growVolume(
  { volume, deviceNumber }: Extract<FitStep, { do: "grow" }>,
  disk: FitDisk,
  machine: FitMachine,
): Promise<void> {
  const device = volumeDevice(disk.path, volume.number);
  const timeoutMs = CHANGE_TIMEOUT_MS;
  const { tools } = machine;
  const mounted = (use: (directory: string) => Promise<unknown>) =>
    withVolume({ ...volume, device, type: "" }, machine, (_, directory) => use(directory));
  switch (volume.fileSystem) {
    case "vfat":
      return writeToDisk(disk, (target) => {
        const { startBytes, sizeBytes } = volume;
        const inside = {
          sizeBytes,
          read: (at: number, length: number) => target.read(startBytes + at, length),
          write: (at: number, bytes: Uint8Array) => target.write(startBytes + at, bytes),
          flush: () => target.flush(),
        };
        return growFat(inside, sizeBytes);
      });
    case "xfs":
      await mounted((directory) => tools.run("xfs_growfs", ["-d", directory], { timeoutMs }));
      return;
    case "btrfs":
      await mounted((directory) =>
        tools.run("btrfs", ["filesystem", "resize", `${deviceNumber}:max`, directory], { timeoutMs }),
      );
      return;
    case "ntfs":
      await forget(device, machine);
      await tools.run("ntfsresize", ["--force", "--no-progress-bar", device], { timeoutMs });
      return;
    default:
      await forget(device, machine);
      await tools.run("resize2fs", [device], { timeoutMs });
  }
}

async function idOf(volume: FitVolume, disk: FitDisk, { tools }: FitMachine): Promise<string | undefined> {
  const source = await DiskSource.open(disk, tools);
  try {
    return (await readVolumeFacts(source, { ...volume, type: "", label: "" })).idText;
  } finally {
    await source.close();
  }
}

/** What the kernel remembers of a partition is not what was written to the disk around it. */
async function forget(device: string, { tools }: FitMachine): Promise<void> {
  await tools.run("blockdev", ["--flushbufs", device], { timeoutMs: 120_000 });
}
