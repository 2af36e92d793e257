import { Command } from "commander";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { apfsFirstBootJob } from "../../agent/identity/first-boot-job.ts";
import { type DiskWithJob, putFirstBootJob } from "../../images/apfs/put-first-boot-job.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import type { FileSource } from "../../server/images/file-source.ts";
import { importImage } from "../../server/store/image-import.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { fileSourceOf, openImageFile } from "./file.ts";
import { type FreeSpaceFlags, freeSpaceOf, freeSpaceOptions } from "./free-space-flags.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { openImageStore } from "./store.ts";

type ImportFlags = PassphraseFlags &
  FreeSpaceFlags & {
    readonly name: string;
    readonly notes: string;
    /** True without a volume's name. */
    readonly firstBootJob?: string | true;
  };

/** `bootcast image import`: puts a disk image into the store. */
export function imageImportCommand(): Command {
  const command = new Command("import")
    .description(
      "Copies a disk image or a disk into the store. The same name again makes the next version.\n\n" +
        '"bootcast image info --help" lists the formats.',
    )
    .argument("<file>", "disk image, or a device such as /dev/sdb that is not mounted")
    .requiredOption("--name <name>", "name of the image")
    .option("--notes <text>", "what people should know about this version", "")
    .option(
      "--first-boot-job [volume]",
      "put a job into the image's macOS on APFS that gives each clone its own name at its first start",
    );
  examples(command, [
    "bootcast image import golden.raw --name lab-debian",
    'bootcast image import golden.raw --name lab-debian --notes "with the new compiler"   # the next version',
    "sudo bootcast image import /dev/sdb --name kiosk",
    "bootcast image import windows.vhdx --name office --skip-page-files",
    "bootcast image import tiger.dmg --name tiger --passphrase-file passphrase.txt",
    "bootcast image import sonoma.dmg --name sonoma --first-boot-job",
  ]);
  return globalOptions(hereOptions(storeKeyOption(passphraseOptions(freeSpaceOptions(command))))).action(
    async (path: string, given: ImportFlags) => {
      const { store, siteKey } = await openImageStore(command, "packs");
      const { signal } = interruption("The import was interrupted; no image was made.");
      const image = await openImageFile(path, given, { signal });
      const progress = progressLine("importing");
      const start = performance.now();
      try {
        const source = fileSourceOf(image);
        const job = await jobFor(source, given.firstBootJob);
        const { manifest, writtenBytes, volumes, warnings } = await importImage({
          store,
          siteKey,
          source: job === undefined ? source : withJob(source, job),
          ranges: image.ranges?.(),
          ...(job && { changed: job.changed }),
          ...given,
          freeSpace: freeSpaceOf(given, path, image, signal),
          now: Date.now(),
          onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
          signal,
        }).finally(() => progress.end());
        for (const warning of warnings) say(`warning: ${warning}`);
        const { tag, diskBytes } = manifest;
        const elapsedMs = Math.round(performance.now() - start);
        const result = { name: tag.name, version: tag.version, diskBytes, packs: manifest.packs.length, writtenBytes };
        if (job !== undefined) say(sentenceOf(job));
        const firstBootJob = job && { volume: job.volumeName, wasThere: job.changed.length === 0 };
        printResult({ ...result, elapsedMs, volumes, warnings, ...(firstBootJob && { firstBootJob }) }, () => {
          const rate = formatSize(Math.round((diskBytes / elapsedMs) * 1000));
          const stored = `${formatSize(diskBytes)}, ${formatSize(writtenBytes)} new in the store`;
          return `${tag.name}:${tag.version}  ${stored}, ${formatDuration(elapsedMs)} (${rate}/s)`;
        });
      } finally {
        await image.close();
      }
    },
  );
}

async function jobFor(source: FileSource, volume: ImportFlags["firstBootJob"]): Promise<DiskWithJob | undefined> {
  if (volume === undefined) return undefined;
  return putFirstBootJob(source, await readDiskLayout(source, source.sectorBytes), {
    content: Buffer.from(apfsFirstBootJob()),
    volumeName: volume === true ? undefined : volume,
    now: BigInt(Date.now()) * 1_000_000n,
  });
}

/** The image's own file stays as it is. */
function withJob({ sizeBytes, sectorBytes, close }: FileSource, { source }: DiskWithJob): FileSource {
  return { sizeBytes, sectorBytes, read: (offset, length) => source.read(offset, length), close };
}

function sentenceOf({ volumeName, changed }: DiskWithJob): string {
  return changed.length === 0
    ? `The job for a Mac's first start was on "${volumeName}" already.`
    : `The job for a Mac's first start is on "${volumeName}" of this image; the file that it was made of is as it was.`;
}
