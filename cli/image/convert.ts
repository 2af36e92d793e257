import { Command } from "commander";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { refuseOpenFile } from "../../server/images/open-files.ts";
import type { DiskImage } from "../../server/images/open-image.ts";
import { bmapPath, writeImage } from "../../server/images/write-image.ts";
import { refuseSameFile } from "../../server/images/write-output.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { openImageFile } from "./file.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { type WriteFlags, writeOptions, writtenResult } from "./written-image.ts";

type ConvertFlags = PassphraseFlags & WriteFlags & { readonly verify: boolean };

/** `bootcast image convert`: from any format that is read to any that is written. */
export function imageConvertCommand(): Command {
  const command = new Command("convert")
    .description(
      "Writes a disk image, or a disk, in another format. The file gets its name when it is complete.\n\n" +
        '"bootcast image info --help" lists the formats that are read. The checksums of the source are checked first.',
    )
    .argument("<in>", "disk image of any format, or a device such as /dev/sdb that is not mounted")
    .argument("<out>", "the file to write")
    .option("--no-verify", "do not check the checksums of the source first");
  examples(command, [
    "bootcast image convert golden.raw golden.dmg --format udzo",
    "bootcast image convert tiger.dmg tiger.raw --passphrase-file passphrase.txt",
    "bootcast image convert lab.qcow2 lab.raw --format sparse   # then: bmaptool copy lab.raw /dev/sdX",
  ]);
  return globalOptions(passphraseOptions(writeOptions(command))).action(
    async (input: string, output: string, given: ConvertFlags) => {
      const { format, force = false } = given;
      const { signal } = interruption("The conversion was interrupted; no file was made.");
      const image = await openImageFile(input, given, { signal });
      try {
        await refuseSameFile(input, output);
        if (format === "sparse") await refuseSameFile(input, bmapPath(output));
        if (given.verify && hasChecksums(image)) await verify(image, signal);
        const progress = progressLine("converting");
        await refuseOpenFile(input, output);
        if (format === "sparse") await refuseOpenFile(input, bmapPath(output));
        const start = performance.now();
        await writeImage(image, output, {
          format,
          isForced: force,
          onProgress: (doneBytes, totalBytes) => progress.update(doneBytes, totalBytes),
          signal,
        }).finally(() => progress.end());
        const { sizeBytes } = image.source;
        const result = await writtenResult(output, format, sizeBytes, performance.now() - start);
        printResult({ source: input, sourceFormat: image.format, ...result }, ({ fileBytes, elapsedMs }) => {
          const rate = formatSize(Math.round((sizeBytes / Math.max(elapsedMs, 1)) * 1000));
          const size = `${formatSize(fileBytes)} for ${formatSize(sizeBytes)}`;
          return `${output}  ${image.format} to ${format}, ${size}, ${formatDuration(elapsedMs)} (${rate}/s)`;
        });
      } finally {
        await image.close();
      }
    },
  );
}

/** The formats that carry checksums; checking another one would only read it twice. */
function hasChecksums({ format, layers }: DiskImage): boolean {
  return /\b(ud(ro|co|zo|bz)|ulmo|partclone)\b/.test(format) || layers.some(({ kind }) => kind === "zip");
}

async function verify(image: DiskImage, signal: AbortSignal): Promise<void> {
  const progress = progressLine("checking");
  const checked = image.verify((doneBytes, totalBytes) => {
    signal.throwIfAborted();
    progress.update(doneBytes, totalBytes);
  });
  await checked.finally(() => progress.end());
  say(`${image.format}: all checksums are right.`);
}
