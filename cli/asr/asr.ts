import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { parseMountInfo } from "../../agent/disk/disks.ts";
import { examples, globalOptions, say } from "../terminal/output.ts";
import { translateAsr } from "./arguments.ts";
import { configureAsr } from "./config-file.ts";

const explained = `
S is a disk image file, an image of the store, a disk, or asr://HOST[:PORT][/IMAGE]; T is a whole disk or a raw image
file; F of a restore is a new raw disk image. Options have one dash or two.
The keys of C, asr's property list: "Data Rate" and "Multicast Address" (required), "Client Data Rate", "DNS Service
Discovery", "Loop Suspend", "Multicast TTL" (3), "Port" (7800). Nothing is ever sent while nobody listens, so "Loop Suspend"
is always kept.
"bootcast restore --help" and "bootcast stream --help" explain the rest.`;

/**
 * What `bootcast asr …` means.
 *
 * @returns the words of the bootcast command that does it; undefined when it is done already
 * @throws {Fault} USAGE, ASR_OPTION
 */
export async function asrWords(given: readonly string[]): Promise<readonly string[] | undefined> {
  const { words, notes, isDebug } = translateAsr(given);
  if (isDebug) process.env["BOOTCAST_DEBUG"] = "1";
  for (const note of notes) say(note);
  if (words.length === 0) {
    const command = asrCommand();
    // Help names a command by those that it is under.
    new Command("bootcast").addCommand(command);
    command.outputHelp();
    return undefined;
  }
  if (words[0] === "asr-config") {
    await configureAsr(words.slice(1));
    return undefined;
  }
  return words.map((word, at) => (["--source", "--target"].includes(words[at - 1] ?? "") ? deviceOf(word) : word));
}

/** Its help, and its place in the list of commands; its words are read by `asrWords`. */
export function asrCommand(): Command {
  const command = new Command("asr")
    .usage("ARGS...")
    .description("Understands the command lines of Apple's asr, the older ones and the newer ones.")
    .addHelpText("after", explained);
  examples(command, [
    "bootcast asr restore --source S --target T --erase [--noprompt] [--noverify] [--timeout SECONDS] [--puppetstrings]",
    "bootcast asr restore --source asr://HOST --file F    # save the stream",
    "bootcast asr server --source S --config C            # send one image to a room",
    "bootcast asr imagescan --source F",
    "bootcast asr info --source F",
    'bootcast asr config C "Data Rate" 3000000            # as "defaults write" did',
    "bootcast asr -source S -target T -erase [-noprompt] [-noverify]",
    "bootcast asr -source S -server C",
    "bootcast asr -imagescan F",
    "bootcast asr version",
  ]);
  return globalOptions(command);
}

// asr is given volumes by where they are mounted; the system knows their devices.
function deviceOf(path: string): string {
  const mounts = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const found = mounts.findLast(({ point, source }) => point === resolve(path) && source.startsWith("/dev/"));
  return found?.source ?? path;
}
