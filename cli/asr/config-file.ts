import { readFile, rename, writeFile } from "node:fs/promises";
import { build, buildBinary, type PlistValue } from "plist";
import { Fault } from "../../fault.ts";
import { print } from "../terminal/output.ts";
import { decodeAsrEntries, isBinaryPlist, valueOfAsrKey } from "./config.ts";

/**
 * `bootcast asr config FILE KEY VALUE`: sets one key of a server configuration, as `defaults write FILE KEY -int VALUE`
 * did; without VALUE shows it. A file that is not there is made; what else is in it stays, XML or binary.
 *
 * @throws {Fault} USAGE, ASR_CONFIG_INVALID
 */
export async function configureAsr(words: readonly string[]): Promise<void> {
  // The types of "defaults" are known from the key.
  const [file, key, value, ...more] = words.filter((word) => !["-int", "-integer", "-string", "-bool"].includes(word));
  if (file === undefined || more.length > 0) throw usage();
  // "defaults" is given the path without its ending.
  const path = /\.plist$/.test(file) ? file : `${file}.plist`;
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && value !== undefined) return undefined;
    throw error;
  });
  const entries = new Map(bytes === undefined ? [] : decodeAsrEntries(bytes, path));
  if (value === undefined) {
    for (const [name, held] of entries) if (key === undefined || key === name) print(`${name}: ${held}`);
    return;
  }
  entries.set(key!, valueOfAsrKey(key!, value, path));
  const dictionary: PlistValue = Object.fromEntries(entries);
  const isBinary = bytes !== undefined && isBinaryPlist(bytes);
  await writeFile(`${path}.new`, isBinary ? buildBinary(dictionary) : build(dictionary));
  await rename(`${path}.new`, path);
}

function usage(): Fault {
  return new Fault("USAGE", {
    what: "Nothing was changed.",
    why: "A configuration is changed one key at a time: FILE KEY VALUE.",
    fix: 'Write it like: bootcast asr config asrcast.plist "Data Rate" 3000000',
  });
}
