import { randomUUID } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { BlockTarget, ByteRange } from "../../images/block.ts";
import type { CleanUpStep } from "../../images/clean-up/step.ts";
import type { CleanedVolume } from "../../images/hfs-plus/clean-up.ts";
import { runChild } from "./child.ts";
import { listCommands, parseListings, quoted } from "./clean-ext-list.ts";
import { type ExtPlan, planExt } from "./clean-ext-plan.ts";
import { type ImageTagText, TAG_FILE_FOLDERS, TAG_FILE_NAME, tagFileText } from "./create-tag-file.ts";
import { holesOf } from "./file-holes.ts";

const HOUR_MS = 3_600_000;
const PIECE_BYTES = 1 << 20;
const SUPERBLOCK_AT = 1024;

export type CleanExtOptions = {
  /** The raw disk file or device. */
  readonly path: string;
  readonly range: ByteRange;
  /** Takes what changes. */
  readonly disk: BlockTarget;
  readonly steps: readonly CleanUpStep[];
  readonly tag?: ImageTagText | undefined;
  /** Where the copies of its lists are for a while. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Cleans an ext2, ext3 or ext4 volume up by its own program: e2image copies its
 * lists (inodes, directories, bitmaps; no content) into a file with holes,
 * debugfs changes that copy, and the blocks in which it differs afterwards are
 * written to `disk`. The source is only read.
 *
 * @throws {Fault} EXT_NOT_CLEANED, PROGRAM_MISSING, PROGRAM_HANGS; `disk` is as it was then
 */
export async function cleanUpExt(options: CleanExtOptions): Promise<CleanedVolume> {
  const { path, range, disk, steps, tag, directory, signal } = options;
  // Only its maker may look into it: names of files tell something, too.
  const work = await mkdtemp(join(directory, "bootcast-clean-"));
  try {
    const [before, after] = [join(work, "before"), join(work, "after")];
    const offset = ["-o", String(range.startBytes)];
    await run("e2image", ["-r", ...offset, path, before], signal);
    const plan = await planExt(steps, (inodes) => listed(before, work, inodes, signal));
    const tagged = tag && taggedCommands(plan, work);
    if (tag !== undefined && tagged !== undefined)
      await writeFile(join(work, "tag"), tagFileText(tag), { mode: 0o600 });
    const commands = [...plan.commands, ...(tagged?.commands ?? [])];
    if (commands.length > 0) {
      await run("cp", ["--sparse=always", "--reflink=auto", "--", before, after], signal);
      await debug(after, work, commands, signal);
      await run("e2fsck", ["-f", "-n", after], signal);
      await writeDifference(before, after, disk, range.startBytes);
    }
    const inUtf8 = (text: string) => Buffer.from(text, "latin1").toString();
    return {
      changes: plan.changes.map((change) => ({ ...change, path: inUtf8(change.path) })),
      tagFile: tagged?.path,
      kept: plan.kept.map(inUtf8),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function listed(file: string, work: string, inodes: readonly number[], signal: AbortSignal | undefined) {
  const commands = join(work, `list-${randomUUID()}`);
  await writeFile(commands, listCommands(inodes));
  const chunks: Uint8Array[] = [];
  await runChild("debugfs", ["-f", commands, file], {
    deadlineMs: HOUR_MS,
    signal,
    onOutput: async (chunk) => void chunks.push(chunk),
  });
  await rm(commands);
  return parseListings(Buffer.concat(chunks).toString("latin1"), inodes);
}

/** Replaces a tag file that is there. */
function taggedCommands(plan: ExtPlan, work: string) {
  const folder = TAG_FILE_FOLDERS.find((one) => plan.folders.has(one));
  const path = `${folder}/${TAG_FILE_NAME}`;
  if (folder === undefined || plan.folders.has(path)) return undefined;
  const fields = { mode: "0100644", uid: "0", gid: "0" };
  const commands = [
    ...(plan.isThere(path) ? [`rm ${quoted(path)}`] : []),
    `write "${join(work, "tag").replaceAll('"', '""')}" ${quoted(path)}`,
    ...Object.entries(fields).map(([field, value]) => `set_inode_field ${quoted(path)} ${field} ${value}`),
  ];
  return { path, commands };
}

/** debugfs ends without an error whatever happened: what it says on stderr behind its own name is one. */
async function debug(file: string, work: string, commands: readonly string[], signal: AbortSignal | undefined) {
  const list = join(work, "commands");
  await writeFile(list, Buffer.from(commands.map((command) => `${command}\n`).join(""), "latin1"));
  const { stderr } = await runChild("debugfs", ["-w", "-f", list, file], {
    deadlineMs: HOUR_MS,
    signal,
    onOutput: async () => undefined,
  });
  const [problem] = stderr.split("\n").filter((said) => said.trim() !== "" && !said.startsWith("debugfs 1."));
  if (problem !== undefined) throw notCleaned("debugfs", problem);
}

/** Copies the blocks in which two volumes differ. */
async function writeDifference(before: string, after: string, disk: BlockTarget, startBytes: number): Promise<void> {
  const [one, other] = await Promise.all([open(before), open(after)]);
  try {
    const superblock = Buffer.alloc(1024);
    await one.read(superblock, 0, 1024, SUPERBLOCK_AT);
    const blockBytes = 1024 << superblock.readUInt32LE(24);
    const { size } = await one.stat();
    const whole = { startBytes: 0, endBytes: size, state: "data" } as const;
    const [a, b] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
    // What is a hole in both is the same in both.
    for (const file of [before, after]) {
      const ranges = await holesOf(file);
      for (const range of ranges?.() ?? [whole]) {
        if (range.state !== "data") continue;
        const from = range.startBytes - (range.startBytes % blockBytes);
        for (let at = from; at < range.endBytes; at += PIECE_BYTES) {
          const length = Math.min(PIECE_BYTES, size - at);
          await Promise.all([one.read(a, 0, length, at), other.read(b, 0, length, at)]);
          for (let block = 0; block < length; block += blockBytes) {
            const end = Math.min(length, block + blockBytes);
            if (a.compare(b, block, end, block, end) !== 0)
              await disk.write(startBytes + at + block, Uint8Array.from(b.subarray(block, end)));
          }
        }
      }
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

async function run(program: string, args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const { exitCode, stdout, stderr } = await runChild(program, args, { deadlineMs: HOUR_MS, signal });
  if (exitCode === 0) return;
  const said = `${stderr}\n${stdout}`.split("\n").filter((line) => line.trim() !== "" && !/^\w+ 1\./.test(line));
  throw notCleaned(program, said[0] ?? "it gave no reason");
}

function notCleaned(program: string, said: string): Fault {
  return new Fault("EXT_NOT_CLEANED", {
    what: "The ext volume could not be cleaned up.",
    why: `${program} says: ${said.trim()}`,
    fix: 'Check it ("e2fsck -f" on its device), or take it as it is: "--as-is".',
  });
}
