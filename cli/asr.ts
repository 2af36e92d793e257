import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { parseMountInfo } from "../agent/disks.ts";
import { translateAsr } from "./asr-arguments.ts";
import { configureAsr } from "./asr-config-file.ts";
import { print, say } from "./output.ts";

const help = `Apple's asr, old and new spelling:
  bootcast asr restore --source S --target T --erase [--noprompt] [--noverify] [--timeout SECONDS] [--puppetstrings]
  bootcast asr restore --source asr://HOST[/IMAGE] --file F       save the stream as a raw disk image
  bootcast asr server --source S --config C [--interface IF]      multicast server; C is asr's property list
  bootcast asr imagescan --source F                               scan an image in place
  bootcast asr info --source F
  bootcast asr config FILE KEY VALUE                              as "defaults write" did
  bootcast asr -source S -target T -erase [-noverify] [-noprompt]
  bootcast asr -source S -server C
  bootcast asr -imagescan F
  bootcast asr version

S is a disk image file, an image of the store, a disk, or asr://HOST[:PORT][/IMAGE]. T is a whole disk or a raw image file.
The keys of C: "Data Rate" and "Multicast Address" (required), "Client Data Rate", "DNS Service Discovery",
"Loop Suspend", "Multicast TTL" (3), "Port" (7800).
"bootcast restore --help" and "bootcast stream --help" explain the rest.
`;

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
    print(help);
    return undefined;
  }
  if (words[0] === "asr-config") {
    await configureAsr(words.slice(1));
    return undefined;
  }
  return words.map((word, at) => (["--source", "--target"].includes(words[at - 1] ?? "") ? deviceOf(word) : word));
}

/** For the list of commands: its words are read by `asrWords`. */
export function asrCommand(): Command {
  return new Command("asr").description(help);
}

// asr is given volumes by where they are mounted; the system knows their devices.
function deviceOf(path: string): string {
  const mounts = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const found = mounts.findLast(({ point, source }) => point === resolve(path) && source.startsWith("/dev/"));
  return found?.source ?? path;
}
