import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { apfsFirstBootJob, FIRST_BOOT_LABEL, FIRST_BOOT_PATH } from "../../agent/identity/first-boot-job.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";

const JOB = `${FIRST_BOOT_LABEL}.plist`;

/** Run on the master, as root: launchd takes only jobs of root that nobody else may write. */
const installer = `#!/bin/sh
# Puts bootcast's job into a master Mac, right before its image is made:
#
#     sudo sh install.sh              the Mac that this runs on: shut it down then, and do not start it again
#     sudo sh install.sh /Volumes/M   another Mac's volume: where there are two, the one whose name ends in "Data"
#
# At the next start of every clone the job gives that Mac its own name and by-host files, and removes itself.
root=\${1-}
job="$root${FIRST_BOOT_PATH}"
if [ ! -d "$root/Library/LaunchDaemons" ]; then
  echo "There is no $root/Library/LaunchDaemons: name the volume of a macOS." >&2
  exit 1
fi
cp "\`dirname "$0"\`/${JOB}" "$job" && chown 0:0 "$job" && chmod 644 "$job" || exit 1
rm -f "$root/private/var/db/.bootcast-first-boot"
echo "$job is there. Shut the master down now: at its next start the job would run on itself."
`;

type FirstBootJobFlags = { readonly out: string };

/** `bootcast image first-boot-job`: for a master with APFS into whose image "image import" cannot put it. */
export function imageFirstBootJobCommand(): Command {
  const command = new Command("first-boot-job").description(
    "Writes a launchd job and its installer, for the master of an image with APFS.\n\n" +
      "A Mac with APFS is named by itself: with this job in its image, each clone takes its name from the network at " +
      'its first start, puts its by-host preferences right, and removes the job. "bootcast image import ' +
      '--first-boot-job" puts it into an image by itself; a master needs it where that is refused (FileVault, ' +
      "a Fusion Drive). HFS+ needs none of it: such Macs are named when their disk is restored.",
  );
  examples(command, [
    "bootcast image first-boot-job --out /media/usb/bootcast",
    "sudo sh /Volumes/USB/bootcast/install.sh      # on the master, right before it is shut down",
  ]);
  return globalOptions(command)
    .requiredOption("--out <folder>", "where to write them; made when it is not there")
    .action(async ({ out }: FirstBootJobFlags) => {
      await mkdir(out, { recursive: true });
      const files = [
        [JOB, apfsFirstBootJob()],
        ["install.sh", installer],
      ] as const;
      for (const [name, content] of files) await writeFile(join(out, name), content);
      const paths = files.map(([name]) => join(out, name));
      printResult({ files: paths }, () => `${paths.join("\n")}\nOn the master Mac: sudo sh install.sh`);
    });
}
