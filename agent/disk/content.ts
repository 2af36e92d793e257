import { Fault } from "../../fault.ts";
import { canHold } from "../../images/disk-content.ts";
import type { Partition } from "../../images/manifest.ts";
import type { Disk, Held } from "./disk.ts";
import { diskIdentity } from "./identity.ts";
import { allows, type DiskPermission, type DiskRule } from "./rule.ts";

/** What an order knows of the disk's content; texts are those of `contentText`. */
export type ExpectedContent = {
  /** What a person saw when the order was given. */
  readonly confirmed: readonly string[];
  /** What the disk held after the last restore; empty: there was none. */
  readonly known: string;
  /** The disk that this very order has erased and begun to write, and what the image puts on it. */
  readonly begun?: {
    /** A text of `diskIdentity`. */
    readonly disk: string;
    readonly partitions: readonly Pick<Partition, "number" | "type" | "fileSystem">[];
  };
};

type Class = Extract<DiskPermission, "encrypted" | "raid" | "lvm">;

/** What is not erased just because a machine appeared: kinds as images/disk-content.ts calls them. */
const guarded: Readonly<Record<string, { readonly is: Class; readonly words: string }>> = {
  luks: { is: "encrypted", words: "an encrypted volume (LUKS)" },
  bitlocker: { is: "encrypted", words: "an encrypted volume (BitLocker)" },
  "apfs-encrypted": { is: "encrypted", words: "an encrypted volume (FileVault)" },
  corestorage: { is: "encrypted", words: "a Core Storage volume (FileVault or Fusion)" },
  raid: { is: "raid", words: "a member of a RAID" },
  zfs: { is: "raid", words: "a member of a ZFS pool" },
  lvm: { is: "lvm", words: "a member of an LVM group" },
  ldm: { is: "lvm", words: "a part of a Windows dynamic disk" },
};

/** What people know a disk by, in one word: its WWN, else its serial number, else its path. */
export function shortDiskName({ wwn, serial, path }: Pick<Disk, "wwn" | "serial" | "path">): string {
  return wwn || serial || path;
}

/** 'naa.5002538d40f1e2a3: 1 vfat "EFI", 2 ext4 "root"': which disk, and what is on it. One line. */
export function contentText(disk: Pick<Disk, "wwn" | "serial" | "path" | "holds">): string {
  const holds = disk.holds === undefined ? "not looked at" : disk.holds.map(heldText).join(", ") || "nothing";
  return `${shortDiskName(disk)}: ${holds}`;
}

function heldText({ number, kind, label }: Held): string {
  return [
    number === 0 ? "whole" : String(number),
    kind || "unknown",
    ...(label === "" ? [] : [JSON.stringify(label)]),
  ].join(" ");
}

/** Whether this order has put it there before its machine lost power: on its own disk, in the image's own partition. */
function isOwn(disk: Disk, { number, kind }: Held, { begun }: ExpectedContent): boolean {
  if (begun === undefined || begun.disk === "" || begun.disk !== diskIdentity(disk)) return false;
  const partition = begun.partitions.find((one) => one.number === number);
  return partition !== undefined && canHold(partition, kind);
}

/** Each surprise on the disk with the permission that would do; none when it may be erased. */
export function unexpectedOn(
  disk: Disk,
  rule: DiskRule,
  expected: ExpectedContent,
): { readonly permission: DiskPermission; readonly why: string }[] {
  const now = contentText(disk);
  if (expected.confirmed.includes(now)) return [];
  const found: { permission: DiskPermission; why: string }[] = [];
  for (const held of disk.holds ?? []) {
    const { number, kind } = held;
    const what = Object.hasOwn(guarded, kind) ? guarded[kind] : undefined;
    if (what === undefined || isOwn(disk, held, expected)) continue;
    const where = number === 0 ? "the disk" : `partition ${number}`;
    found.push({ permission: what.is, why: `${where} is ${what.words}` });
  }
  if (expected.known !== "" && expected.known !== now) {
    found.push({ permission: "changed", why: `after the last restore it was ${expected.known}, and now it is ${now}` });
  }
  return found.filter(({ permission }) => !allows(rule, permission));
}

/** @throws {Fault} DISK_UNEXPECTED */
export function refuseUnexpected(disk: Disk, rule: DiskRule, expected: ExpectedContent): void {
  const surprises = unexpectedOn(disk, rule, expected);
  if (surprises.length === 0) return;
  const permissions = [...new Set(surprises.map(({ permission }) => permission))].join("|");
  throw new Fault("DISK_UNEXPECTED", {
    what: `${disk.path} holds something that nobody expected, so it was not erased.`,
    why: `${surprises.map(({ why }) => why).join("; ")}.`,
    fix: `Look whether it is still needed. To erase it, order this host by its name (bootcast deploy IMAGE --to NAME shows what the disk holds), or add allow=${permissions} to the rule.`,
  });
}
