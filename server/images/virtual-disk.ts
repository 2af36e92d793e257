import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import type { FormatId } from "../../images/foreign-format.ts";
import { runChild } from "./child.ts";
import { connectNbd } from "./nbd-client.ts";

/** The formats that qemu-img reads for us; the names are its own. */
export type VirtualDiskFormat = Extract<FormatId, "qcow2" | "vmdk" | "vhdx" | "vpc" | "vdi">;

/** What a child process opens: a file by its path, or one without a name by its descriptor. */
export type ChildFile = { readonly path: string } | { readonly descriptor: number };

const DEADLINE_MS = 60_000;
/** It reads all tables, of a TiB some hundred MiB. */
const CHECK_DEADLINE_MS = 600_000;

/**
 * Opens the disk image of a virtual machine through `qemu-nbd`, which reads any
 * place of it, compressed ones too. It ends when the connection does.
 *
 * The format is given, never guessed: a guest could have written a header of
 * another one into its raw disk. Files that the image points to are refused
 * outside of its folder: an image from elsewhere could name any file of this machine.
 *
 * @param fileBytes the length of the file, or the device
 * @throws {Fault} VIRTUAL_DISK_DAMAGED (so does reading), VIRTUAL_DISK_PARTS, PROGRAM_MISSING, PROGRAM_HANGS
 */
export async function openVirtualDisk(
  file: ChildFile,
  fileBytes: number,
  format: VirtualDiskFormat,
): Promise<{ readonly source: BlockSource; close(): Promise<void> }> {
  const inherit = "descriptor" in file ? file.descriptor : undefined;
  const name = "descriptor" in file ? "/dev/fd/3" : resolve(file.path);
  const info = await infoOf(name, format, inherit);
  await checkParts(info, file);
  // A packed cluster of qcow2 ends anywhere, and the file with it.
  const tablesEnd = (await checkTables(name, format, inherit)) - (info["cluster-size"] ?? 1) + 1;
  const extents = info["format-specific"]?.data?.extents ?? [];
  const isOneFile = extents.every(({ filename }) => filename === name);
  const endBytes = Math.max(tablesEnd, isOneFile ? await endOfContent(name, format, inherit) : 0);
  if (endBytes > fileBytes)
    throw damaged(format, `it is cut off: content of it ends at byte ${endBytes}, and the file at ${fileBytes}`);
  const directory = await mkdtemp(join(tmpdir(), "bootcast-nbd-"));
  try {
    const socket = join(directory, "socket");
    // With --fork it goes on in the background as soon as the socket is there, until the first client leaves.
    const started = await runChild(
      "qemu-nbd",
      ["--read-only", `--format=${format}`, `--socket=${socket}`, "--fork", "--", name],
      { deadlineMs: DEADLINE_MS, inherit },
    );
    if (started.exitCode !== 0) throw damaged(format, started.stderr);
    const disk = await connectNbd(socket);
    const read = (offset: number, length: number) =>
      disk.read(offset, length).catch((error: unknown) => {
        throw damaged(format, (error as Error).message, error);
      });
    return { source: { sizeBytes: disk.sizeBytes, read }, close: async () => disk.close() };
  } finally {
    // The connection needs the name no more.
    await rm(directory, { recursive: true });
  }
}

type Info = {
  readonly "backing-filename"?: string;
  readonly encrypted?: boolean;
  readonly "cluster-size"?: number;
  readonly "format-specific"?: {
    readonly data?: { readonly "data-file"?: string; readonly extents?: readonly Extent[] };
  };
};
type Extent = { readonly filename?: string; readonly format?: string; readonly "virtual-size"?: number };

async function infoOf(name: string, format: VirtualDiskFormat, inherit: number | undefined): Promise<Info> {
  const { exitCode, stdout, stderr } = await runChild(
    "qemu-img",
    ["info", "--output=json", "-U", "-f", format, "--", name],
    { deadlineMs: DEADLINE_MS, inherit },
  );
  if (exitCode !== 0) throw damaged(format, stderr);
  return JSON.parse(stdout) as Info;
}

async function checkParts(info: Info, file: ChildFile): Promise<void> {
  const backing = info["backing-filename"];
  if (backing !== undefined) throw otherFile(`It holds only what differs from ${JSON.stringify(backing)}.`);
  const { "data-file": dataFile, extents = [] } = info["format-specific"]?.data ?? {};
  if (dataFile !== undefined) throw otherFile(`Its content is in ${JSON.stringify(dataFile)}.`);
  if (info.encrypted === true) throw otherFile("It is encrypted.");
  if ("descriptor" in file) return;
  const path = await realpath(file.path);
  for (const { filename, format, "virtual-size": sizeBytes = 0 } of extents) {
    if (filename === undefined) continue;
    const part = await realpath(filename).catch(() => filename);
    if (!part.startsWith(dirname(path) + sep)) throw otherFile(`Its content is in ${JSON.stringify(filename)}.`);
    if (format === "FLAT" && (await stat(part)).size < sizeBytes)
      throw damaged("vmdk", `${filename} is cut off: it should have ${sizeBytes} bytes`);
  }
}

/** Ends of the check: 3 is room that nothing uses, 63 a format that has no tables to check. */
const SOUND_ENDS: readonly (number | null)[] = [0, 3, 63];

/**
 * Of an image that was cut off, qemu reads zeros and says nothing; its tables point behind its end.
 *
 * @returns where qcow2's last cluster ends; 0 where the check does not tell
 */
async function checkTables(name: string, format: VirtualDiskFormat, inherit: number | undefined): Promise<number> {
  const { exitCode, stdout, stderr } = await runChild("qemu-img", ["check", "-U", "-f", format, "--", name], {
    deadlineMs: CHECK_DEADLINE_MS,
    inherit,
  });
  if (!SOUND_ENDS.includes(exitCode)) throw damaged(format, stderr.trim() || stdout);
  // Room that nothing uses may lie behind the end of the file, and be missing rightly.
  return exitCode === 0 ? Number(/^Image end offset: (\d+)$/m.exec(stdout)?.[1] ?? 0) : 0;
}

/** The largest place in the image file that its tables say content ends at; 0 when all of it is packed or nothing. */
async function endOfContent(name: string, format: VirtualDiskFormat, inherit: number | undefined): Promise<number> {
  let endBytes = 0;
  let rest = "";
  const take = async (chunk: Uint8Array): Promise<void> => {
    const lines = (rest + Buffer.from(chunk).toString("latin1")).split("\n");
    rest = lines.pop()!;
    for (const line of lines) endBytes = Math.max(endBytes, endOfExtent(line));
  };
  const { exitCode, stderr } = await runChild("qemu-img", ["map", "--output=json", "-U", "-f", format, "--", name], {
    deadlineMs: CHECK_DEADLINE_MS,
    inherit,
    onOutput: take,
  });
  if (exitCode !== 0) throw damaged(format, stderr);
  return Math.max(endBytes, endOfExtent(rest));
}

/** @param line one extent of `qemu-img map`, as it writes them: one a line, in an array */
function endOfExtent(line: string): number {
  const text = /\{.*\}/.exec(line)?.[0];
  if (text === undefined) return 0;
  const { data, offset, length } = JSON.parse(text) as { data: boolean; length: number; offset?: number };
  return data && offset !== undefined ? offset + length : 0;
}

function damaged(format: VirtualDiskFormat, stderr: string, cause?: unknown): Fault {
  const said =
    stderr
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^qemu-(img|nbd): /, "") ?? "";
  return new Fault(
    "VIRTUAL_DISK_DAMAGED",
    {
      what: `The ${format === "vpc" ? "VHD" : format} image cannot be read.`,
      why: said === "" ? "qemu-img refused it and did not say why." : `qemu-img says: ${said.slice(0, 300)}`,
      fix: '"qemu-img check FILE" says more. Copy it again, with all files that belong to it.',
    },
    cause,
  );
}

function otherFile(why: string): Fault {
  return new Fault("VIRTUAL_DISK_PARTS", {
    what: "The image is not the whole disk.",
    why,
    fix: 'Make a whole one of it: "qemu-img convert -O qcow2 FILE WHOLE.qcow2", where you trust its maker.',
  });
}
