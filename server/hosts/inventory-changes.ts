import type { Disk, Inventory } from "../../agent/contract.ts";

/** One thing about a machine that is another than when it registered before; "" where there was, or is, nothing. */
export type InventoryChange = { readonly what: string; readonly from: string; readonly to: string };

/** A machine that changes more than this at once is told of as another machine anyway. */
const MOST_CHANGES = 50;
/** A machine can call its parts anything, and each of its registrations may be a step of the history. */
const MOST_LETTERS = 200;

/**
 * What has changed in a machine between two registrations: parts, not what lies on its disks, nor which boot image it
 * runs. A disk that was moved to another plug is the same disk.
 */
export function inventoryChanges(before: Inventory, after: Inventory): InventoryChange[] {
  const facts: [string, string, string][] = [
    ["vendor", before.vendor, after.vendor],
    ["model", before.model, after.model],
    ["serial number", before.serial, after.serial],
    ["UUID", before.uuid, after.uuid],
    ["firmware", before.firmware, after.firmware],
    ["processors", String(before.cpuCount), String(after.cpuCount)],
    ["memory", ...memoryTexts(before.memoryBytes, after.memoryBytes)],
  ];
  return [
    ...facts.filter(([, from, to]) => from !== to).map(([what, from, to]) => ({ what, from, to })),
    ...partChanges(
      "network card",
      before.nics,
      after.nics,
      ({ mac }) => mac,
      ({ mac }) => mac,
    ),
    ...partChanges("disk", before.disks.filter(isPart), after.disks.filter(isPart), diskKey, diskText),
  ]
    .slice(0, MOST_CHANGES)
    .map(({ what, from, to }) => ({ what, from: from.slice(0, MOST_LETTERS), to: to.slice(0, MOST_LETTERS) }));
}

function partChanges<T>(
  what: string,
  before: readonly T[],
  after: readonly T[],
  keyOf: (part: T) => string,
  textOf: (part: T) => string,
): InventoryChange[] {
  const gone = new Map(before.map((part) => [keyOf(part), textOf(part)]));
  const came: InventoryChange[] = [];
  for (const part of after) {
    const key = keyOf(part);
    const from = gone.get(key) ?? "";
    const to = textOf(part);
    gone.delete(key);
    if (from !== to) came.push({ what, from, to });
  }
  return [...[...gone.values()].map((from) => ({ what, from, to: "" })), ...came];
}

/** By what a disk is known again: its own numbers, else where it sits. */
function diskKey({ wwn, serial, model, path }: Disk): string {
  if (wwn !== "") return `wwn ${wwn}`;
  return serial === "" ? `path ${path}` : `serial ${model} ${serial}`;
}

/** Sticks come and go. */
function isPart({ isRemovable, isBootMedium = false }: Disk): boolean {
  return !isRemovable && !isBootMedium;
}

function diskText({ model, serial, sizeBytes, transport }: Disk): string {
  const size = sizeBytes < 1e12 ? `${(sizeBytes / 1e9).toFixed(1)} GB` : `${(sizeBytes / 1e12).toFixed(1)} TB`;
  return [model, serial, size, transport].filter((part) => part !== "").join(" ");
}

/** The kernel keeps some of it for itself, and another one not the same: that is no change. */
function memoryTexts(before: number, after: number): [string, string] {
  const isSame = Math.abs(before - after) <= 0.02 * Math.max(before, after);
  return [memoryText(before), memoryText(isSame ? before : after)];
}

function memoryText(bytes: number): string {
  return bytes === 0 ? "" : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
