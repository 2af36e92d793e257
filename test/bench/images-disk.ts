import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const MIB = 1 << 20;
const FILE_BYTES = 4 * MIB;

/**
 * Makes a raw ext4 volume: half of it is used, half of that by text, the rest
 * by content that no program packs. The free half is a hole.
 *
 * @param folder where its files are made first
 */
export function makeDisk(path: string, mebibytes: number, folder: string): void {
  mkdirSync(folder);
  const files = Math.floor((mebibytes * MIB) / 2 / FILE_BYTES);
  for (let file = 0; file < files; file += 1) {
    const place = join(folder, `${file % 16}`);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `${file}.bin`), file % 2 === 0 ? text(file) : randomBytes(FILE_BYTES));
  }
  writeFileSync(path, "");
  truncateSync(path, mebibytes * MIB);
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-F", "-d", folder, path], { env, stdio: "pipe" });
  const descriptor = openSync(path, "r+");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Lines of a log: different each, and about four times smaller when packed. */
function text(seed: number): Buffer {
  const bytes = Buffer.alloc(FILE_BYTES);
  let state = seed + 1;
  for (let at = 0; at < bytes.length; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const word = words[state >>> 28]!;
    at += bytes.write(`${at} ${word}: ${state.toString(16)} was answered by ${words[(state >>> 20) % 16]}\n`, at);
  }
  return bytes;
}

const words = "kernel agent server stream client disk image boot frame block cell pack order host room mirror".split(
  " ",
);

/** Everything that was written before is on the disk, and the file is in memory: the same start for all. */
export function settle(path: string): void {
  execFileSync("sync");
  execFileSync("sh", ["-c", 'cat "$0" > /dev/null', path]);
  // A file that was just removed gives its room back now, not while the next is measured.
  const marker = openSync(`${path}.settled`, "w");
  writeSync(marker, "x");
  fsyncSync(marker);
  closeSync(marker);
  rmSync(`${path}.settled`);
}
