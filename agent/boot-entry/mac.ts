import { open, rm, writeFile } from "node:fs/promises";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";
import type { RestoredVolume } from "../volumes/partitions.ts";
import {
  APPLE_VARIABLES,
  type MacPartition,
  type MacVariable,
  macBootDevicePlan,
  macVariables,
  type VariableChange,
} from "./mac-device.ts";
import type { BootEntryMachine, BootEntryResult } from "./result.ts";

const EFIVARS = "/sys/firmware/efi/efivars";
const TOOL_TIMEOUT_MS = 30_000;
/** Apple TN1150: the volume header, and in it finderInfo: the blessed folder, and that of Mac OS X. */
const HEADER_AT = 1024;
const blessedAt = [80, 100];

/** Whether the machine is a Mac, by what its firmware says of its maker. */
export function isMac(files: MachineFiles): boolean {
  return /^Apple\b/.test(files.text("/sys/class/dmi/id/sys_vendor"));
}

/**
 * Makes a Mac start the restored volume of macOS, whose blessed folder the restore has kept.
 *
 * @param efivars where the variables are, for tests
 * @returns undefined: there is no such volume
 */
export async function setMacBootDevice(
  disk: string,
  volumes: readonly RestoredVolume[],
  machine: Pick<BootEntryMachine, "tools" | "files">,
  efivars = EFIVARS,
): Promise<BootEntryResult | undefined> {
  const macs = volumes.filter(({ fileSystem }) => ["hfsplus", "hfsx"].includes(fileSystem));
  const isApfs = volumes.some(({ fileSystem }) => fileSystem === "apfs");
  if (macs.length === 0) {
    if (!isApfs) return undefined;
    await change(macBootDevicePlan(recorded(machine.files, efivars), undefined), machine, efivars);
    return { detail: "the Mac looks for its APFS system by itself; if not, hold Option", isWarning: false };
  }
  const blessed: RestoredVolume[] = [];
  for (const volume of macs) if (await isBlessed(volume.device)) blessed.push(volume);
  // Of several the first: the others, a recovery system among them, are chosen with Option.
  const [first] = blessed;
  if (first === undefined) {
    return { detail: "no volume of the image has a blessed folder: hold Option to choose one", isWarning: true };
  }
  const target = await partitionOf(disk, first.number, machine.tools);
  if (target === undefined) {
    return { detail: `the Mac starts ${first.device} when it is chosen with Option`, isWarning: true };
  }
  const plan = macBootDevicePlan(recorded(machine.files, efivars), target);
  await change(plan, machine, efivars);
  const how = plan.length === 0 ? "is the Mac's startup disk already" : "is now the Mac's startup disk";
  return { detail: `${first.device} ${how}`, isWarning: false };
}

/** Removes what names a volume that the restore has replaced: it would hold up each start. */
export async function forgetMacBootDevice(
  machine: Pick<BootEntryMachine, "tools" | "files">,
  efivars = EFIVARS,
): Promise<void> {
  await change(macBootDevicePlan(recorded(machine.files, efivars), undefined), machine, efivars);
}

function pathOf(name: MacVariable, efivars: string): string {
  return `${efivars}/${name}-${APPLE_VARIABLES}`;
}

function recorded(files: MachineFiles, efivars: string): Partial<Record<MacVariable, Uint8Array>> {
  return Object.fromEntries(
    macVariables.flatMap((name) => {
      const bytes = files.bytes(pathOf(name, efivars));
      return bytes === undefined ? [] : [[name, bytes]];
    }),
  );
}

async function change(
  plan: readonly VariableChange[],
  { tools, files }: Pick<BootEntryMachine, "tools" | "files">,
  efivars: string,
): Promise<void> {
  for (const { name, content } of plan) {
    const path = pathOf(name, efivars);
    if (files.bytes(path) !== undefined) {
      // The kernel protects variables that it does not know: removing the wrong one has broken machines.
      await tools.run("chattr", ["-i", path], { timeoutMs: TOOL_TIMEOUT_MS });
      await rm(path);
    }
    // In one piece: each write sets the whole variable.
    if (content !== undefined) await writeFile(path, content);
  }
}

async function isBlessed(device: string): Promise<boolean> {
  const handle = await open(device, "r");
  try {
    const { buffer } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
    return blessedAt.some((at) => buffer.readUInt32BE(HEADER_AT + at) !== 0);
  } finally {
    await handle.close();
  }
}

/** Where the partition is now, with the GUID that it has now; undefined: the disk has no GPT. */
async function partitionOf(disk: string, number: number, tools: Tools): Promise<MacPartition | undefined> {
  const text = await tools.run("sfdisk", ["--json", disk], { timeoutMs: TOOL_TIMEOUT_MS });
  const { partitiontable: table } = JSON.parse(text) as {
    partitiontable: { label: string; partitions: { node: string; start: number; size: number; uuid?: string }[] };
  };
  if (table.label !== "gpt") return undefined;
  const found = table.partitions.find(({ node }) => Number(/(\d+)$/.exec(node)?.[1]) === number);
  if (found?.uuid === undefined) return undefined;
  return { number, startSectors: found.start, sizeSectors: found.size, guid: found.uuid };
}
