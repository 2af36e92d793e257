import { createHash } from "node:crypto";
import { lstat, open, truncate } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { runChild } from "./child.ts";
import { firstVolume, measureFolder } from "./create-size.ts";

const HOUR_MS = 3_600_000;

/**
 * Makes `file` an ext4 volume with the content of `folder`, as small as that lets it be.
 *
 * @param name of the image: the volume's UUID comes from it, so that a next version shares what did not change
 * @throws {Fault} VOLUME_NOT_MADE, PROGRAM_MISSING, PROGRAM_HANGS
 */
export async function makeExt4(folder: string, file: string, name: string, signal?: AbortSignal): Promise<void> {
  const { sizeBytes, inodes, journalMiB } = firstVolume(await measureFolder(folder, signal));
  const { uid, gid, mode } = await lstat(folder);
  const uuid = uuidOf(name);
  await (await open(file, "wx", 0o600)).close();
  await truncate(file, sizeBytes);
  const layout = ["-t", "ext4", "-b", "4096", "-I", "256", "-m", "1", "-N", `${inodes}`, "-J", `size=${journalMiB}`];
  const identity = ["-U", uuid, "-E", `hash_seed=${uuid},root_owner=${uid}:${gid},lazy_itable_init=0`];
  await run("mke2fs", ["-q", "-F", ...layout, ...identity, "-d", folder, file], signal);
  // mke2fs takes the rights of everything over, but not those of the folder itself.
  await run("debugfs", ["-w", "-R", `set_inode_field <2> mode 0${mode.toString(8)}`, file], signal);
  await run("resize2fs", ["-M", file], signal);
  await truncate(file, await volumeBytes(file));
  await run("e2fsck", ["-f", "-n", file], signal);
}

/** A UUID of our own making (RFC 9562, version 8). */
function uuidOf(name: string): string {
  const bytes = createHash("sha256").update(`bootcast volume ${name}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** From the superblock: s_blocks_count_lo and _hi; blocks are of 4096 bytes. */
async function volumeBytes(file: string): Promise<number> {
  const volume = await open(file);
  try {
    const superblock = Buffer.alloc(1024);
    await volume.read(superblock, 0, 1024, 1024);
    return (superblock.readUInt32LE(0x150) * 2 ** 32 + superblock.readUInt32LE(4)) * 4096;
  } finally {
    await volume.close();
  }
}

async function run(program: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  try {
    const { exitCode, stdout, stderr } = await runChild(program, args, { deadlineMs: 12 * HOUR_MS, signal });
    if (exitCode !== 0) throw notMade(program, `${stderr}\n${stdout}`);
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}

function notMade(program: string, said: string): Fault {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const why = lines.find((line) => line.startsWith(`${program}: `)) ?? lines.at(-1) ?? "it gave no reason.";
  return new Fault("VOLUME_NOT_MADE", {
    what: "The folder could not be made an ext4 volume.",
    why: `${program} says: ${why.trim()}`,
    fix: "Check that every file can be read, and that TMPDIR (else /var/tmp) has room for the content twice.",
  });
}
