import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { bmapPath, WRITTEN_FORMATS, type WrittenFormat } from "../../server/images/write-image.ts";

/** What every command that writes an image file is told. */
export type WriteFlags = { readonly format: WrittenFormat; readonly force?: boolean };

/** Adds `--format` and `--force`. */
export function writeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--format <format>",
        "raw: the disk with holes; sparse: the same with a .bmap for bmaptool; udzo: .dmg, zlib; ulmo: .dmg, xz (smaller, slower, macOS 10.15 and later)",
      )
        .choices(WRITTEN_FORMATS)
        .default("raw" satisfies WrittenFormat),
    )
    .option("--force", "replace a file of that name, when the new one is complete");
}

/** What was written, for `--json` and for people. */
export type WrittenResult = {
  readonly file: string;
  /** The map beside a sparse image. */
  readonly bmap?: string;
  readonly format: WrittenFormat;
  readonly diskBytes: number;
  /** What the file takes on the disk: holes take nothing. */
  readonly fileBytes: number;
  readonly elapsedMs: number;
};

export async function writtenResult(
  file: string,
  format: WrittenFormat,
  diskBytes: number,
  elapsedMs: number,
): Promise<WrittenResult> {
  // In units of 512 bytes whatever the file system's block is (stat(2)).
  const fileBytes = (await stat(file)).blocks * 512;
  const bmap = format === "sparse" ? { bmap: bmapPath(file) } : {};
  return { file, ...bmap, format, diskBytes, fileBytes, elapsedMs: Math.round(elapsedMs) };
}
