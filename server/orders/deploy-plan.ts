import {
  type Afterwards,
  chooseDisk,
  contentText,
  type DiskIds,
  type EraseMethod,
  type Growth,
  parseDiskRule,
  refusalOf,
} from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Host } from "../hosts/host-record.ts";
import type { AnyLimits } from "./any-limits.ts";
import type { Estimate } from "./deploy-duration.ts";
import type { SkippedHost } from "./deploy-skips.ts";
import type { Waves, WavesRequest } from "./waves.ts";

/** An image that is in the store, as far as an order needs it. */
export type DeployImage = {
  readonly name: string;
  readonly version: number;
  readonly diskBytes: number;
  /** The logical sector size that its partition table counts in. */
  readonly sectorBytes: number;
  /** What the stream carries. */
  readonly storedBytes: number;
};

/** Where images are looked up. @throws {Fault} IMAGE_UNKNOWN */
export type FindImage = (name: string, version: number | undefined) => Promise<DeployImage>;

/**
 * What is ordered. `to` selects hosts (server/hosts/selection.ts), or is the word "any": each host that appears, once.
 */
export type DeployRequest = {
  readonly image: string;
  readonly imageVersion?: number | undefined;
  readonly to: readonly string[] | "any";
  /** The stream starts when this many hosts are ready: all named ones, or 1 for any, unless given. */
  readonly waitFor?: number | undefined;
  /** … or when this long has passed since the first was. */
  readonly maxWaitMs?: number | undefined;
  /** Which disk of each host (agent/disk/rule.ts); as is set for the host unless given. */
  readonly disk?: string | undefined;
  /** How it is erased; "quick" unless given. */
  readonly erase?: EraseMethod | undefined;
  /** What becomes of a larger disk; as `DEFAULT_GROWTH` unless given. */
  readonly grow?: Growth | undefined;
  /** Whether disk and file systems get new numbers; as `DEFAULT_IDS` unless given. */
  readonly ids?: DiskIds | undefined;
  /** How much of a disk is read back (agent/disk/verify-plan.ts); the whole disk unless given. */
  readonly verify?: string | undefined;
  /** What the machines do when their disks are restored; "reboot" unless given. */
  readonly afterwards?: Afterwards | undefined;
  /** Whether the restored systems are to say that they are up; the setting hosts.alive unless given. */
  readonly alive?: boolean | undefined;
  /** What a person was shown of the hosts' disks, `contents` of a plan; all that is known now unless given. */
  readonly confirmed?: readonly string[] | undefined;
  /** When it begins, milliseconds UTC; at once unless given. Before that its hosts are left to their people. */
  readonly startAtMs?: number | undefined;
  /** Hosts go one group after the other, and stop when too many fail; all at once unless given. */
  readonly waves?: WavesRequest | undefined;
  /** Machines that are switched off are woken when their turn comes; they are left to people unless given. */
  readonly wake?: boolean | undefined;
  /** Of "any": which hosts that appear. */
  readonly limits?: AnyLimits | undefined;
  /** What people call these hosts; the words of `to` unless given. */
  readonly target?: string | undefined;
  /** The session whose failed hosts these are. */
  readonly retryOf?: number | undefined;
  /** Where it was ordered, for its event; absent for the command line. */
  readonly orderedAt?: string;
};

/** What an order would do: nothing is changed by making a plan. */
export type DeployPlan = {
  readonly image: DeployImage;
  readonly to: "any" | "named";
  /** Every disk of these hosts that qualifies is erased. */
  readonly hosts: readonly PlannedHost[];
  readonly waitFor: number;
  readonly maxWaitMs: number;
  readonly erase: EraseMethod;
  readonly grow: Growth;
  readonly ids: DiskIds;
  /** "whole", "none", "sampled=5% seed=7". */
  readonly verify: string;
  readonly afterwards: Afterwards;
  readonly alive: boolean;
  /** The order's own rule for the disk; null: what is set for each host. */
  readonly disk: string | null;
  /** Hosts that were meant, and are left alone. */
  readonly skipped: readonly SkippedHost[];
  /** Null: it begins at once. */
  readonly startAtMs: number | null;
  /** Null: all hosts at once. */
  readonly waves: Waves | null;
  readonly wake: boolean;
  /** Of "any"; null: every host that appears. */
  readonly limits: AnyLimits | null;
  readonly estimate: Estimate;
  /** The words that it was ordered with: "room-b". */
  readonly target: string;
  /** What a person types who really wants it. */
  readonly confirmation: string;
  readonly retryOf: number | null;
};

export type PlannedHost = {
  readonly id: string;
  readonly name: string;
  readonly mac: string;
  readonly model: string;
  readonly lastSeenMs: number;
  /** Those that the rule leaves to choose from, and only the one that it takes when that is clear. */
  readonly disks: readonly { readonly path: string; readonly sizeBytes: number; readonly model: string }[];
  /** What its disks hold, as far as anybody has looked; giving the order confirms it. */
  readonly contents: readonly string[];
  /** Which disk is meant. */
  readonly rule: string;
  /** What the person should know before; empty when nothing stands out. */
  readonly warning: string;
  /** When its turn comes: 0 is the canary's; null: all at once. */
  readonly wave: number | null;
};

/**
 * Why none of a host's disks, as it last showed them, can take the image; empty: one may, or the rule leaves several.
 *
 * @param rule as agent/disk/rule.ts reads it
 */
export function noDiskFor({ inventory: { disks } }: Host, image: DeployImage, rule: string): string {
  const need = { imageBytes: image.diskBytes, sectorBytes: image.sectorBytes };
  const refusals = disks.map((disk) => refusalOf(disk, need, parseDiskRule(rule), disks));
  if (refusals.includes(undefined)) return "";
  return disks.length === 0 ? "it has shown no disk" : `no disk of it can take the image: ${refusals.join("; ")}`;
}

/**
 * The word that a person types before disks are erased: "any", the name of a host or of a group, or for several hosts
 * how many there are: "12-hosts".
 */
export function confirmationOf(to: "any" | readonly string[], hosts: readonly { readonly name: string }[]): string {
  if (to === "any") return "any";
  if (hosts.length === 1) return hosts[0]!.name;
  const [word = ""] = to;
  const isOneName = to.length === 1 && /^[\w.-]+$/.test(word);
  return isOneName ? word : `${hosts.length}-hosts`;
}

/** What a person is shown of one host before the order is given. */
export function planned(host: Host, image: DeployImage, rule: string): Omit<PlannedHost, "wave"> {
  const { disks } = host.inventory;
  const contents = disks.filter(({ holds }) => holds !== undefined).map(contentText);
  const need = { imageBytes: image.diskBytes, sectorBytes: image.sectorBytes };
  const erasable = disks.filter((disk) => !disk.isRemovable && !disk.isReadOnly && disk.transport !== "usb");
  let listed: readonly (typeof disks)[number][] = erasable;
  let warning = "";
  try {
    // The host decides in its own preflight; this only says early what it will say.
    listed = [chooseDisk(disks, need, { rule: parseDiskRule(rule), confirmed: contents, known: "" })];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    warning = `it will refuse: ${error.why.replace(/\.$/, "")}`;
  }
  return {
    id: host.id,
    name: host.name,
    mac: host.mac,
    model: host.model,
    lastSeenMs: host.lastSeenMs,
    disks: listed.map(({ path, sizeBytes, model }) => ({ path, sizeBytes, model })),
    contents,
    rule,
    warning,
  };
}
