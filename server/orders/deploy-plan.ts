import {
  type Afterwards,
  chooseDisk,
  contentText,
  type DiskIds,
  type EraseMethod,
  type Growth,
  parseDiskRule,
} from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Host } from "../hosts/host-record.ts";

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

/** What is ordered. `to` names hosts (name, id or MAC), or is the word "any": each host that appears, once. */
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
};

/** What a person is shown of one host before the order is given. */
export function planned(host: Host, image: DeployImage, rule: string): PlannedHost {
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
