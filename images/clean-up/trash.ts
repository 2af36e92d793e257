import type { CleanUpStep } from "./step.ts";

/** freedesktop.org's trash specification 1.0, and Mac OS X' folders. */
const inTrash = new RegExp(
  [
    "^(root|home/[^/]+)/\\.local/share/Trash/(files|info|expunged)/",
    "^\\.Trash(-\\d+|/\\d+)/(files|info|expunged)/",
    "^(Users/[^/]+|private/var/root)/\\.Trash/",
    "^\\.Trashes/",
  ].join("|"),
);

export const trash: CleanUpStep = {
  name: "trash",
  does: "Empties the trash of every user.",
  on: ({ path }) => (inTrash.test(path) ? "remove" : undefined),
};
