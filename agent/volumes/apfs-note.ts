import { apfsFirstBoot } from "../../images/apfs/first-boot.ts";
import { JOB_IN_MASTER, MAKE_JOB } from "../../images/apfs/warnings.ts";
import type { Volume } from "../../images/free-space/volume.ts";

/** What becomes of an APFS volume when its disk is named, to go behind its name: Linux can only read it. */
export async function apfsNote(container: Volume): Promise<string> {
  const found = await apfsFirstBoot(container);
  switch (found.has) {
    case "job":
      return "is left as it is: APFS is read-only for Linux. The job in it names this Mac at its first start, puts its by-host files right, and removes itself.";
    case "no system":
      return "is left as it is: APFS is read-only for Linux, and no macOS is in it.";
    case "no job":
      return `is left as it is: APFS is read-only for Linux, and the image has no job for a Mac's first start, so this Mac keeps the names of the master. ${MAKE_JOB}. Else: ${JOB_IN_MASTER}.`;
    case "unknown":
      return `is left as it is: it ${found.why}. Its names change only by a job at its first start, if that is in the image. ${JOB_IN_MASTER}.`;
  }
}
