import type { Disk } from "./disk.ts";

/**
 * A disk in words that no other one has: what the maker wrote into it. The same on another cable and under another
 * device name. Empty for a disk without serial number and WWN: it cannot be told from another of its kind.
 */
export function diskIdentity({ serial, wwn, model, sizeBytes }: Disk): string {
  if (serial === "" && wwn === "") return "";
  return JSON.stringify([model, serial, wwn, sizeBytes]);
}
