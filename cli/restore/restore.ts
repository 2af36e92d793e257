import { Command } from "commander";
import { passphraseOptions } from "../image/passphrase.ts";
import { storeKeyOption } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { dataDirOf } from "../settings/read-configuration.ts";
import { asFault, Exit, examples, exitOf, fail, globalOptions, outputOptions } from "../terminal/output.ts";
import { restoreTarget } from "./file.ts";
import type { RestoreFlags } from "./job.ts";
import { isRefusal } from "./refusals.ts";
import { runRestore } from "./run-restore.ts";
import { RestoreOutput } from "./screen.ts";

/** A week: timers of Node cannot be longer than 24 days. */
const MOST_TIMEOUT_MS = 7 * 86_400_000;

type GivenFlags = Omit<RestoreFlags, "dataDir" | "target"> & {
  readonly dataDir?: string;
  readonly target?: string;
  readonly file?: string;
};

/** `bootcast restore`: writes one image to a disk or a file, as `asr restore` did. */
export function restoreCommand(): Command {
  const command = new Command("restore")
    .description(
      "Writes an image to a whole disk or to a raw image file, and reads it back.\n\n" +
        "Images are accepted when a trusted key signed them: one of --trust, or the site's own key in the data directory. " +
        "Where there is neither, the key of the server that is named by --source is taken, and its fingerprint is shown.",
    )
    .requiredOption(
      "--source <source>",
      "asr://HOST[:PORT][/IMAGE] of a running stream, an image of the store, a disk image file, or its http(s):// address",
    )
    .option("--target <disk|file>", "a whole disk, /dev/sdb, or a file that is made or replaced")
    .option("--file <file>", "instead of --target: save it as a new raw disk image; needs no --erase")
    .option("--erase", "everything on the target is lost; required with --target")
    .option("--delta", "instead of --erase: what is right on the target already stays, everything else on it is lost")
    .option("--noprompt", "do not ask before erasing")
    .option("--noverify", "do not read the target back")
    .option("--verify <how>", "how much of the target is read back: whole, sampled, sampled=10%, none (default: whole)")
    .option("--puppetstrings", "progress for programs: one event a line, fields separated by tabs")
    .option(
      "--timeout <time>",
      "give up when no data came for so long: 90s, 10m, or seconds; 0 never (default 60s)",
      duration({ mostMs: MOST_TIMEOUT_MS }),
    )
    .option("--interface <name|address>", "the network that the stream arrives at (default: where the server is)")
    .option("--trust <file>", "public keys (PEM) whose images are accepted")
    .option("--data-dir <dir>", "where the store and the site's key are (BOOTCAST_DATA_DIR)")
    .addHelpText(
      "after",
      '\nOf a web server\'s file the signed manifest counts that lies beside it (FILE.bootcast-scan, made by "bootcast image scan");\n' +
        "without one the file's own checksums, of a raw disk FILE.sha256. The server must send parts of files (ranges).\n" +
        "\n--puppetstrings prints: XSTA <phase> [detail] (start, validate, wait, compare, erase, restore, verify, finish),\n" +
        "PINF <percent> 100 <phase>, PASS <number>, FAIL <code> <what>.",
    )
    .action(async ({ dataDir, ...flags }: GivenFlags) => {
      const write = (text: string) => void process.stdout.write(text);
      const { json, quiet } = outputOptions();
      const output = new RestoreOutput(flags.puppetstrings ? "programs" : json || quiet ? "nothing" : "people", write);
      try {
        await runRestore({ ...flags, ...restoreTarget(flags), dataDir: dataDirOf(dataDir) }, output);
      } catch (error) {
        const fault = asFault(error);
        output.fail(fault);
        fail(error, isRefusal(fault) ? Exit.refused : exitOf(error));
      }
    });
  examples(command, [
    "bootcast restore --source asr://10.77.0.1 --target /dev/sdb --erase",
    "bootcast restore --source asr://server.local/lab-debian --target /dev/sdb --erase --noprompt",
    "bootcast restore --source golden.raw --target copy.raw --erase --noverify",
    "bootcast restore --source asr://10.77.0.1 --file copy.raw      # a new file: nothing is erased",
    "bootcast restore --source https://server/lab.dmg --target /dev/sdb --erase",
    "bootcast restore --source lab-debian --target /dev/sdb --delta      # writes only what differs",
    "bootcast restore --source tiger.dmg --target /dev/sdb --erase --passphrase-file passphrase.txt",
  ]);
  return globalOptions(storeKeyOption(passphraseOptions(command)));
}
