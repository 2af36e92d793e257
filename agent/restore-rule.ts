import type { Disk, OrderTerms } from "./contract.ts";
import { diskIdentity } from "./disk/identity.ts";

/**
 * What a restore does with what the disk holds:
 *
 * - "erase": it is lost, and everything comes by the stream.
 * - "keep": the order says so (`erase: none`). What is right already stays, and only the rest is asked for and written.
 * - "resume": this very order has erased this very disk, and was interrupted. As "keep": all that is on it came from the
 *   same image, or was erased. Not where the device was to destroy everything (`erase: secure`): whether it did, nobody
 *   but the network says, so that is done again.
 */
export type RestoreRule = "erase" | "keep" | "resume";

/** Without a word of the server, or on a disk that cannot be told from others, it is erased as ordered. */
export function restoreRuleOf(terms: OrderTerms | undefined, disk: Disk): RestoreRule {
  if (terms?.erase === "none") return "keep";
  if (terms?.erase === "secure") return "erase";
  const identity = diskIdentity(disk);
  return identity !== "" && terms?.resumes === identity ? "resume" : "erase";
}
