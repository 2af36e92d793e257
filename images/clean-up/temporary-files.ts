import type { CleanUpStep } from "./step.ts";

const inTemporary = /^(private\/)?(tmp|var\/tmp)\/./;

export const temporaryFiles: CleanUpStep = {
  name: "temporary-files",
  does: "Removes what is in /tmp and /var/tmp.",
  on: ({ path }) => (inTemporary.test(path) ? "remove" : undefined),
};
