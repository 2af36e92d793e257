import type { FitPlan, FitStep } from "../../images/disk-fit/plan.ts";
import { formatSize } from "../disk/sizes.ts";

/** One step in words, for screen and log. */
export function describeStep(step: FitStep): string {
  switch (step.do) {
    case "make-swap":
      return step.was === "elsewhere"
        ? `partition ${step.volume.number} (swap) is made anew at the end of the disk`
        : `${nameOf(step.volume)} becomes empty: a sleeping system is in it, which would wake into a disk that has changed`;
    case "write-table":
      return "the partition table is written for this disk";
    case "renew":
      return `${nameOf(step.volume)} gets the number ${step.renewal.to}, was ${step.renewal.from}`;
    case "grow": {
      const { volume, fromBytes } = step;
      return `${nameOf(volume)} grows to ${formatSize(volume.sizeBytes)}, was ${formatSize(fromBytes)}`;
    }
  }
}

/** The whole plan, a line each; what stays and why among them. */
export function describeFit({ steps, notes }: FitPlan): string[] {
  return [...steps.map(describeStep), ...notes];
}

function nameOf({ number, fileSystem }: { number: number; fileSystem: string }): string {
  return number === 0 ? `the disk's ${fileSystem}` : `partition ${number} (${fileSystem})`;
}
