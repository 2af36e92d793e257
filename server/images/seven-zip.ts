import { Fault } from "../../fault.ts";
import { runChild } from "./child.ts";
import { TemporaryFile } from "./temporary-file.ts";
import type { UnpackOptions } from "./unpack.ts";
import type { ChildFile } from "./virtual-disk.ts";

/** A TiB at 50 MB/s. */
const DEADLINE_MS = 6 * 3_600_000;

/**
 * Unpacks a .dmg with a codec that bootcast has not (LZFSE) through `7zz`, which
 * checks its checksums and gives its partitions in the order of the disk, free stretches too.
 *
 * @param sizeBytes of the disk, as the .dmg says
 * @throws {Fault} UDIF_CHUNK, PROGRAM_MISSING, PROGRAM_HANGS, TEMPORARY_SPACE
 */
export async function unpackDmg(file: ChildFile, sizeBytes: number, options: UnpackOptions): Promise<TemporaryFile> {
  const unpacked = await TemporaryFile.create(options.space);
  try {
    let at = 0;
    const { exitCode, stderr } = await runChild(
      "7zz",
      ["x", "-so", "-tdmg", "--", "descriptor" in file ? "/dev/fd/3" : file.path],
      {
        deadlineMs: DEADLINE_MS,
        inherit: "descriptor" in file ? file.descriptor : undefined,
        signal: options.signal,
        onOutput: async (chunk) => {
          if (at + chunk.length > sizeBytes) throw wrong(`it unpacks to more than ${sizeBytes} bytes`);
          await unpacked.write(at, chunk);
          at += chunk.length;
          options.onProgress?.(at, sizeBytes);
        },
      },
    );
    if (exitCode !== 0) throw wrong(`7zz ended with ${exitCode}: ${stderr.trim().slice(0, 300)}`);
    if (at !== sizeBytes) throw wrong(`it unpacks to ${at} bytes instead of ${sizeBytes}`);
    await unpacked.finish();
    return unpacked;
  } catch (error) {
    await unpacked.close();
    throw error;
  }
}

function wrong(why: string): Fault {
  return new Fault("UDIF_CHUNK", {
    what: "The .dmg is damaged, or 7-Zip cannot unpack it.",
    why: `Read through 7zz, ${why}.`,
    fix: 'Copy it again. On a Mac: "hdiutil convert FROM.dmg -format UDZO -o TO.dmg" makes one that bootcast reads itself.',
  });
}
