/** One thing in the volume that becomes an image. */
export type CleanUpEntry = {
  /** Below the volume's root, without a slash before it: "var/log/syslog.1". */
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** It is on an HFS+ volume with Mac OS X, where an entry can be hidden from people. */
  readonly isOnMac: boolean;
};

/** "remove" takes a folder away with all that is in it; "empty" leaves a file of 0 bytes; "hide" sets the Finder's invisible flag. */
export type CleanUpAction = "remove" | "empty" | "hide";

/**
 * One named thing that is changed in an image, because it belongs to the
 * machine that it was made on, or was spoiled by cloning. It only decides; the
 * change is made to what the image is read from, never to the source.
 */
export type CleanUpStep = {
  /** For `--without`. */
  readonly name: string;
  /** One sentence for people. */
  readonly does: string;
  /** What becomes of an entry; undefined when it stays. */
  on(entry: CleanUpEntry): CleanUpAction | undefined;
};

/** One decision, as it is shown and carried out. */
export type CleanUpChange = {
  readonly step: string;
  readonly path: string;
  readonly action: CleanUpAction;
};
