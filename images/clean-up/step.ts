/** One thing in the folder that becomes an image. */
export type FolderEntry = {
  /** Below the folder, without a slash before it: "var/log/syslog.1". */
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "other";
};

/** "remove" takes a folder away with all that is in it; "empty" leaves a file of 0 bytes. */
export type CleanUpAction = "remove" | "empty";

/**
 * One named thing that is taken away from an image, because it belongs to the
 * machine that it was made on. It only decides; `server/` does it, to a copy.
 */
export type CleanUpStep = {
  /** For `--without`. */
  readonly name: string;
  /** One sentence for people. */
  readonly does: string;
  /** What becomes of an entry; undefined when it stays. */
  on(entry: FolderEntry): CleanUpAction | undefined;
};

/** One decision, as it is shown and carried out. */
export type CleanUpChange = {
  readonly step: string;
  readonly path: string;
  readonly action: CleanUpAction;
};
