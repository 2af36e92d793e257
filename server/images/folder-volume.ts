import type { CleanUpChange, CleanUpStep } from "../../images/clean-up/step.ts";
import type { ImageTagText } from "./create-tag-file.ts";
import type { FileSource } from "./file-source.ts";

export type FolderVolumeOptions = {
  readonly steps: readonly CleanUpStep[];
  /** What the tag file tells; without it none is written. */
  readonly tag?: ImageTagText;
  readonly name: string;
  readonly fileSystem: "ext4" | "hfsplus";
  /** Where the copy is made, or the lists of files. Default: TMPDIR, else /var/tmp. */
  readonly directory?: string;
  /** Hears what is done now: one sentence. */
  readonly log?: (message: string) => void;
  readonly signal?: AbortSignal;
};

/** A volume with a folder's content. */
export type FolderVolume = {
  /** Closed with `remove`. */
  readonly source: FileSource;
  readonly changes: readonly CleanUpChange[];
  /** Below the folder; undefined when none was written. */
  readonly tagFile: string | undefined;
  /** Takes away what was made for it. */
  remove(): Promise<void>;
};
