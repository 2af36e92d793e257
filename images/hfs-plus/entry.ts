import type { Rights } from "./records.ts";

/** One thing that a new volume holds. */
export type VolumeEntry = {
  /** The place of its folder in the list of entries, which is before its own; -1 for the root. */
  readonly folder: number;
  /** As it stands on the volume (`toVolumeName`). */
  readonly name: string;
  readonly kind: "folder" | "file" | "link" | "special";
  readonly rights: Rights;
  /** Of a file, and of a link's target; else 0. */
  readonly sizeBytes: number;
  readonly finderFlags?: number;
  /** Entries with the same are names of one file; the first of them has its content. */
  readonly sharedAs?: string;
};

/** As the volume has it, with the names of shared files led to a file of its own. */
export type PlacedEntry = VolumeEntry & {
  /** Of a name of a shared file: the place of that file, and its other names' ids. */
  readonly leadsTo?: { readonly entry: number; readonly previousId: number; readonly nextId: number };
  /** Of a shared file: how many names it has, and the first one's id. */
  readonly names?: { readonly count: number; readonly firstId: number };
  /** The entry whose content it has; absent where it is its own. */
  readonly contentOf?: number;
};
