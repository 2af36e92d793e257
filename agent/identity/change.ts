import type { AliveCall } from "./alive-script.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** One thing that would change on a restored volume. Paths are absolute inside the volume. */
export type Change =
  | {
      readonly kind: "write";
      readonly path: string;
      readonly content: string | Uint8Array;
      /** Of a file that is not there yet; 0644 unless given. */
      readonly mode?: number;
      readonly why: string;
    }
  | { readonly kind: "delete"; readonly path: string; readonly why: string }
  | { readonly kind: "delete-tree"; readonly path: string; readonly why: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly why: string }
  | { readonly kind: "copy"; readonly from: string; readonly to: string; readonly why: string }
  | { readonly kind: "link"; readonly path: string; readonly to: string; readonly why: string }
  /** From the Finder of a Mac. */
  | { readonly kind: "hide"; readonly path: string; readonly why: string };

/** Who the restored system is to be. */
export type Identity = {
  /** "lab-07", or a full name: "lab-07.example.org". */
  readonly hostName: string;
  /** The permanent address of the card the machine booted from, lower case with colons. */
  readonly mac: string;
  /** The Hardware UUIDs this machine may have as a Mac, upper case, the likeliest first; none when unknown. */
  readonly hardwareUuids: readonly string[];
  /** What the system says when it is up, where that was ordered. */
  readonly alive?: AliveCall;
  /** File systems and partitions that were given a new UUID after the restore: old to new, lower case. */
  readonly renewedUuids?: ReadonlyMap<string, string>;
};

/** What a module found: what it would change, and what a person should know. */
export type Plan = {
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  /** With this plan carried out, the system says at its first start that it is up. */
  readonly callsWhenUp?: boolean;
};

/** One clone-identity fix. Planning reads only; applying is the same for all. */
export type IdentityModule = {
  /** Shown on the screen and in the log. */
  readonly name: string;
  /** Undefined: this volume has nothing for this module. */
  plan(volume: VolumeFiles, identity: Identity): Promise<Plan | undefined>;
};

/** The change in words, for the log and for `--plan`. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case "write":
      return `write ${change.path}: ${change.why}`;
    case "delete":
      return `delete ${change.path}: ${change.why}`;
    case "delete-tree":
      return `delete ${change.path} with all in it: ${change.why}`;
    case "rename":
      return `rename ${change.from} to ${change.to}: ${change.why}`;
    case "copy":
      return `copy ${change.from} to ${change.to}: ${change.why}`;
    case "link":
      return `link ${change.path} to ${change.to}: ${change.why}`;
    case "hide":
      return `hide ${change.path}: ${change.why}`;
  }
}

/** Carries out a plan in its order. */
export async function applyChanges(volume: VolumeFiles, changes: readonly Change[]): Promise<void> {
  for (const change of changes) {
    switch (change.kind) {
      case "write":
        await volume.write(change.path, change.content, change.mode);
        break;
      case "delete":
        await volume.remove(change.path);
        break;
      case "delete-tree":
        await volume.removeTree(change.path);
        break;
      case "rename":
        await volume.rename(change.from, change.to);
        break;
      case "copy":
        await volume.copy(change.from, change.to);
        break;
      case "link":
        await volume.link(change.path, change.to);
        break;
      case "hide":
        await volume.hide(change.path);
        break;
    }
  }
}
