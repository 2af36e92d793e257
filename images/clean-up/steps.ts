import { Fault } from "../../fault.ts";
import { caches } from "./caches.ts";
import { invisibleItems } from "./invisible-items.ts";
import { machineId } from "./machine-id.ts";
import { randomSeed } from "./random-seed.ts";
import { rotatedLogs } from "./rotated-logs.ts";
import { sshHostKeys } from "./ssh-host-keys.ts";
import type { CleanUpStep } from "./step.ts";
import { temporaryFiles } from "./temporary-files.ts";
import { trash } from "./trash.ts";

/** Every clean-up step, in the order in which they are asked; the first that wants something has it. */
export const cleanUpSteps: readonly CleanUpStep[] = [
  rotatedLogs,
  caches,
  sshHostKeys,
  machineId,
  randomSeed,
  trash,
  temporaryFiles,
  invisibleItems,
];

/** Adds a file instead of taking one away: it is switched like a step. */
export const TAG_FILE_STEP = {
  name: "tag-file",
  does: "Writes who made the image, when, from what, and the notes: Library/Logs/ or var/log/bootcast-image.txt.",
} as const;

/**
 * The steps that are left when some are switched off.
 *
 * @throws {Fault} CLEAN_UP_UNKNOWN
 */
export function stepsWithout(names: readonly string[]): {
  readonly steps: readonly CleanUpStep[];
  readonly hasTagFile: boolean;
} {
  const known = [...cleanUpSteps, TAG_FILE_STEP].map(({ name }) => name);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new Fault("CLEAN_UP_UNKNOWN", {
      what: `There is no clean-up step "${wrong}".`,
      why: `The steps are: ${known.join(", ")}.`,
      fix: '"bootcast image create --steps" says what each one does.',
    });
  }
  return {
    steps: cleanUpSteps.filter(({ name }) => !names.includes(name)),
    hasTagFile: !names.includes(TAG_FILE_STEP.name),
  };
}
