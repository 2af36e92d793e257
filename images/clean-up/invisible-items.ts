import type { CleanUpStep } from "./step.ts";

/**
 * What Mac OS X hides in the root of its volume; cloning with programs that do
 * not know Finder flags makes it show up.
 * Source: Apple KB 30167 (SetHidden), and what 10.4 to 10.6 have there besides.
 */
export const INVISIBLE_ITEMS: readonly string[] = [
  ...["bin", "cores", "dev", "etc", "mach", "mach_kernel", "mach.sym", "private", "sbin", "tmp", "usr", "var"],
  ...["Volumes", "Desktop DB", "Desktop DF", ".Trashes", ".vol", "automount", "Network", "opt", "sw"],
];

const isInvisible = new Set(INVISIBLE_ITEMS);

/** The list that Mac OS X up to 10.4 reads besides the flags, at the root of the volume. */
export const HIDDEN_LIST_FILE = ".hidden";

export const invisibleItems: CleanUpStep = {
  name: "invisible-items",
  does: "Hides /bin, /etc, /private and their like again, which show up on a cloned Mac OS X; up to 10.4 by a .hidden file, too.",
  on: ({ path, isOnMac }) => (isOnMac && isInvisible.has(path) ? "hide" : undefined),
};

/** The list's content: one name a line. */
export function hiddenList(): string {
  return `${INVISIBLE_ITEMS.join("\n")}\n`;
}

/** Whether a Mac OS X reads the list. @param systemVersion text of SystemVersion.plist */
export function readsHiddenList(systemVersion: string): boolean {
  const version = /<key>ProductVersion<\/key>\s*<string>10\.(\d+)/.exec(systemVersion)?.[1];
  return version !== undefined && Number(version) <= 4;
}
