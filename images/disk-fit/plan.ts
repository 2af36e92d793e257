import type { BlockSource } from "../block.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../file-system.ts";
import { Volume } from "../free-space/volume.ts";
import type { Partition, PartitionScheme } from "../manifest.ts";
import { type DiskLayout, readDiskLayout } from "../partition-table.ts";
import type { DiskWrite, PartitionPlaces } from "./disk-write.ts";
import { belongsElsewhere, findsByNumbers, isClosed, isSwap, keepsOf, SUSPENDED } from "./partition-kinds.ts";
import { LEAST_GAIN_BYTES, planPlaces } from "./places.ts";
import { swapHeader } from "./swap-header.ts";
import { endBytesOf, headBytesBefore, planTable, readTable, type Table } from "./table.ts";
import { readVolumeFacts, type VolumeFacts } from "./volume-facts.ts";
import { planRenewal, type VolumeRenewal } from "./volume-ids.ts";

/** What is ordered for the disk once the image is on it. */
export type FitOrder = {
  readonly grow: "last" | "keep";
  readonly ids: "keep" | "renew";
  /** Makes new numbers: the same for the same restore of the same machine. */
  readonly seed: string;
  /** Volumes that a check found damaged, by number, with what it said behind "it": they are left as they are. */
  readonly unsound?: ReadonlyMap<number, string>;
};

/** One file system, and where it is afterwards. `number` 0: it fills the disk, which has no partitions. */
export type FitVolume = {
  readonly number: number;
  readonly fileSystem: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
};

export type FitStep =
  /**
   * An empty swap area: in its new place, which no partition has yet, or where it is, because a sleeping system lies in
   * it. That one would wake into file systems that have changed since, and destroy them.
   */
  | {
      readonly do: "make-swap";
      readonly was: "elsewhere" | "asleep";
      readonly volume: FitVolume;
      readonly write: DiskWrite;
    }
  /** The partition table, in this order. The kernel must read it again. */
  | { readonly do: "write-table"; readonly writes: readonly DiskWrite[] }
  | { readonly do: "renew"; readonly volume: FitVolume; readonly renewal: VolumeRenewal }
  /** The file system fills its partition. `deviceNumber` is that of btrfs. */
  | { readonly do: "grow"; readonly volume: FitVolume; readonly fromBytes: number; readonly deviceNumber: number };

/** What is done to a restored disk so that it fits this machine. */
export type FitPlan = {
  readonly scheme: PartitionScheme;
  /** In this order. */
  readonly steps: readonly FitStep[];
  /** Every partition as it is afterwards. */
  readonly volumes: readonly FitVolume[];
  /** Numbers that change, as files name them: old in lower case, new as it is written. */
  readonly renewed: ReadonlyMap<string, string>;
  /** What a person should know, one sentence each. */
  readonly notes: readonly string[];
};

type Found = { readonly partition: Partition; readonly facts: VolumeFacts };

/**
 * Plans how a restored image fills this disk, and which numbers become new. Reads only. What is done already is not
 * planned again, so the plan of a disk that is as it should be has no steps.
 *
 * @param disk the whole disk as it is now
 * @param sectorBytes of the device
 * @throws {Fault} GPT_DAMAGED, PARTITION_OUTSIDE
 */
export async function planFit(disk: BlockSource, sectorBytes: number, order: FitOrder): Promise<FitPlan> {
  const layout = await readDiskLayout(disk, sectorBytes);
  const table = await readTable(disk, layout);
  const notes: string[] = [];
  const found: Found[] = [];
  for (const partition of await partitionsOf(layout, disk)) {
    const facts = await readVolumeFacts(disk, partition);
    const keeps = belongsElsewhere(partition) ?? facts.keeps;
    found.push({ partition, facts: keeps === undefined ? facts : { ...facts, keeps } });
  }
  const { grown, places } = planGrowth(found, table, disk.sizeBytes, order, notes);
  const placed = ({ partition: { number, fileSystem, startBytes, sizeBytes } }: Found): FitVolume => {
    const place = places.get(number);
    if (place === undefined) return { number, fileSystem, startBytes, sizeBytes };
    return { number, fileSystem, startBytes: place.startBytes, sizeBytes: place.endBytes - place.startBytes };
  };
  const ids = idsOf(found, order, notes);
  const renewals = await planRenewals(found, disk, { ...order, ids }, notes);
  const planned = planTable(table, {
    diskBytes: disk.sizeBytes,
    places,
    seed: ids === "renew" && mayRenewTable(layout, table, notes) ? order.seed : undefined,
    numbers: layout.partitions.map(({ number }) => number),
  });
  const moved: FitStep[] = [];
  const renewing: FitStep[] = [];
  for (const one of found) {
    const volume = placed(one);
    const renewal = renewals.get(one.partition.number);
    if (volume.startBytes !== one.partition.startBytes) {
      moved.push(emptySwap("elsewhere", volume, one.facts, renewal));
    } else if (volume.fileSystem === SUSPENDED && isOfLinux(one, notes)) {
      moved.push(emptySwap("asleep", volume, one.facts, renewal));
    } else if (renewal !== undefined) renewing.push({ do: "renew", volume, renewal });
  }
  const { writes } = planned;
  const steps: FitStep[] = [
    ...moved,
    ...(writes.length > 0 ? [{ do: "write-table", writes } as const] : []),
    ...renewing,
  ];
  if (grown !== undefined) {
    const volume = placed(grown);
    const { sizeBytes: fromBytes = volume.sizeBytes, deviceNumber = 1, filledBytes } = grown.facts;
    const wanted = filledBytes?.(volume.sizeBytes) ?? volume.sizeBytes;
    if (wanted - fromBytes >= LEAST_GAIN_BYTES) steps.push({ do: "grow", volume, fromBytes, deviceNumber });
  }
  const renewed = new Map(planned.renewed);
  for (const { from, to } of renewals.values()) renewed.set(from.toLowerCase(), to);
  return { scheme: layout.scheme, steps, volumes: found.map(placed), renewed, notes };
}

/** The partitions, or the one file system that fills the disk. */
async function partitionsOf({ scheme, partitions }: DiskLayout, disk: BlockSource): Promise<readonly Partition[]> {
  if (scheme !== "none") return partitions;
  const { sizeBytes } = disk;
  const fileSystem = fileSystemOf(await disk.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, sizeBytes)));
  return [{ number: 0, startBytes: 0, sizeBytes, type: "", label: "", fileSystem }];
}

/** Which partition grows, and where all are then. Says why when none does that could be expected to. */
function planGrowth(
  found: readonly Found[],
  table: Table,
  diskBytes: number,
  { grow, unsound }: FitOrder,
  notes: string[],
): { grown: Found | undefined; places: PartitionPlaces } {
  const nothing = { grown: undefined, places: new Map() };
  if (grow === "keep") return nothing;
  const end = endBytesOf(table, diskBytes);
  const lastEnd = Math.max(0, ...found.map(({ partition: { startBytes, sizeBytes } }) => startBytes + sizeBytes));
  const placed = found.map(({ partition, facts }) => {
    const { number, startBytes, sizeBytes } = partition;
    const isMovable = isSwap(partition) && swapHeader(facts.head, sizeBytes) !== undefined;
    const keeps = keepsOf(partition) ?? facts.keeps ?? unsound?.get(number);
    const { mostBytes = Number.MAX_SAFE_INTEGER } = facts;
    return { number, startBytes, sizeBytes, headBytes: headBytesBefore(table, number), isMovable, keeps, mostBytes };
  });
  const growing =
    table.scheme === "kept" ? `the partition table is not changed: ${table.why}` : planPlaces(placed, end);
  if (typeof growing === "string") {
    if (end - lastEnd >= LEAST_GAIN_BYTES) notes.push(`Nothing grew, and the end of the disk is not used: ${growing}.`);
    return nothing;
  }
  return { grown: found.find(({ partition }) => partition.number === growing.number), places: growing.places };
}

/** fstab, crypttab and boot menus follow new numbers where they can be written; where one cannot, all stay. */
function idsOf(found: readonly Found[], { ids }: FitOrder, notes: string[]): FitOrder["ids"] {
  const closed = found.find(({ partition }) => isClosed(partition))?.partition;
  if (ids === "keep" || closed === undefined) return ids;
  const where = `partition ${closed.number} (${closed.fileSystem})`;
  notes.push(`Disk and file systems keep their numbers: ${where} cannot be looked into, and may name them.`);
  return "keep";
}

async function planRenewals(
  found: readonly Found[],
  disk: BlockSource,
  { ids, seed, unsound }: FitOrder,
  notes: string[],
): Promise<Map<number, VolumeRenewal>> {
  const renewals = new Map<number, VolumeRenewal>();
  if (ids === "keep") return renewals;
  for (const { partition, facts } of found) {
    const { number, fileSystem, startBytes, sizeBytes } = partition;
    const keeps = unsound?.get(number) ?? facts.keeps;
    if (keeps !== undefined) {
      notes.push(`Partition ${number} (${fileSystem}) keeps its number: it ${keeps}.`);
      continue;
    }
    const renewal = await planRenewal(fileSystem, facts, seed, new Volume(disk, startBytes, sizeBytes));
    if (renewal !== undefined) renewals.set(number, renewal);
    else if (facts.id === undefined && fileSystem !== "") {
      notes.push(`Partition ${number} keeps its number: that of ${fileSystem} is not changed here.`);
    }
  }
  return renewals;
}

function mayRenewTable(layout: DiskLayout, table: Table, notes: string[]): boolean {
  const system = findsByNumbers(layout);
  if (table.scheme === "none") return false;
  if (table.scheme === "kept") notes.push(`Disk and partitions keep their numbers: ${table.why}.`);
  else if (system === undefined) return true;
  else notes.push(`Disk and partitions keep their numbers: ${system} would not start without them.`);
  return false;
}

/** Whether its header is one that is made anew here; told when it is not. */
function isOfLinux({ partition: { number, sizeBytes }, facts: { head, keeps } }: Found, notes: string[]): boolean {
  if (keeps === undefined && swapHeader(head, sizeBytes) !== undefined) return true;
  const why = keeps === undefined ? "how it sleeps is not known here" : `it ${keeps}`;
  notes.push(`Partition ${number} still holds a sleeping system, which must not wake up: ${why}.`);
  return false;
}

/** A new number goes into the header that is made anyway. */
function emptySwap(
  was: "elsewhere" | "asleep",
  volume: FitVolume,
  { head }: VolumeFacts,
  renewal: VolumeRenewal | undefined,
): FitStep {
  const named = Buffer.from(head);
  if (renewal !== undefined && typeof renewal.by !== "string") {
    for (const { at, bytes } of renewal.by) named.set(bytes, at);
  }
  const bytes = swapHeader(named, volume.sizeBytes);
  if (bytes === undefined) throw new TypeError(`partition ${volume.number} is no swap and does not move`);
  return { do: "make-swap", was, volume: { ...volume, fileSystem: "swap" }, write: { at: volume.startBytes, bytes } };
}
