import type { CleanUpStep } from "./step.ts";

/**
 * Only those that are made anew when they are missing: /var/cache/debconf and
 * /var/cache/cracklib, for example, are not.
 */
const cacheFolder = new RegExp(
  [
    "^var/cache/(apt|dnf|libdnf5|yum|zypp|pacman/pkg|apk|man|fontconfig|PackageKit)/",
    "^(root|home/[^/]+)/\\.cache/",
    "^(Users/[^/]+/|private/var/root/)?Library/Caches/",
  ].join("|"),
);

export const caches: CleanUpStep = {
  name: "caches",
  does: "Removes the files in caches of package managers and of users; the folders stay.",
  on({ path, kind }) {
    // A folder's owner is not known to the program that fills it again.
    return kind !== "folder" && cacheFolder.test(path) ? "remove" : undefined;
  },
};
