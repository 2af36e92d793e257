import type { Disk, Inventory } from "../../agent/contract.ts";
import { describeDisk, unfitOf } from "../../agent/disk/choice.ts";
import { contentText, shortDiskName } from "../../agent/disk/content.ts";
import { type DiskRule, diskPermissions } from "../../agent/disk/rule.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import { table } from "../terminal/table.ts";

/** A person names the disk, so it may be any that is free. */
const anyFreeDisk: DiskRule = { pick: "only", allow: diskPermissions };

/**
 * What this machine is, for the person in front of it.
 *
 * @param addresses the IPv4 address of each network card that has one, by the card's name
 */
export function inventoryText(inventory: Inventory, addresses: ReadonlyMap<string, string>): string {
  const { vendor, model, serial, firmware, memoryBytes, cpuCount, nics } = inventory;
  const machine = [vendor, model].filter((word) => word !== "").join(" ") || "unknown machine";
  const cards = nics.map(({ name, mac, linkMegabits }) => {
    const speed = linkMegabits === undefined ? [] : [`${linkMegabits} Mbit/s`];
    return `  network   ${[`${name} ${mac}`, addresses.get(name) ?? "no address", ...speed].join(", ")}`;
  });
  return [
    `  machine   ${machine}${serial === "" ? "" : `, serial number ${serial}`}`,
    `  memory    ${formatSize(memoryBytes)}, ${cpuCount} ${cpuCount === 1 ? "processor" : "processors"}, ${firmware === "uefi" ? "UEFI" : "BIOS"}`,
    ...(cards.length > 0 ? cards : ["  network   no card"]),
  ].join("\n");
}

/** Why a disk cannot be restored to; undefined when a person may choose it. */
export function refusalOf(disk: Disk): string | undefined {
  return disk.isReadOnly ? "it is read-only" : unfitOf(disk, anyFreeDisk);
}

/** The disks with their numbers; those that cannot be chosen have none, and the reason. */
export function diskTable(disks: readonly Disk[]): string {
  const free = disks.filter((disk) => refusalOf(disk) === undefined);
  return disks
    .map((disk) => {
      const number = free.indexOf(disk) + 1;
      const refusal = refusalOf(disk);
      return [
        `  ${number === 0 ? " -" : String(number).padStart(2)}  ${describeDisk(disk)}`,
        `      holds ${contentText(disk).slice(shortDiskName(disk).length + 2)}`,
        ...(refusal === undefined ? [] : [`      cannot be chosen: ${refusal}`]),
        ...(disk.failing === undefined || refusal !== undefined ? [] : [`      WARNING: it fails: ${disk.failing}`]),
      ].join("\n");
    })
    .join("\n");
}

/** The images with their numbers. */
export function sourceTable(sources: readonly { readonly title: string; readonly detail: string }[]): string {
  return table(sources.map(({ title, detail }, at) => [`  ${String(at + 1).padStart(2)}`, title, detail]));
}
