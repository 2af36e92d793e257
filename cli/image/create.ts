import { Command, Option } from "commander";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { cleanUpSteps, TAG_FILE_STEP } from "../../images/clean-up/steps.ts";
import { importImage } from "../../server/store/image-import.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { type CreateSource, type CreateSourceFlags, openCreateSource } from "./create-source.ts";
import { freeSpaceOptions } from "./free-space-flags.ts";
import { passphraseOptions } from "./passphrase.ts";
import { openImageStore } from "./store.ts";

type CreateFlags = Omit<CreateSourceFlags, "name"> & { readonly name?: string; readonly steps?: boolean };

/** `bootcast image create`: makes an image of a disk that is not in use, or of a folder. */
export function imageCreateCommand(): Command {
  const command = new Command("create")
    .description(
      "Makes an image of a disk, a disk file or a folder. The same name again makes the next version.\n\n" +
        "A folder becomes a volume as small as its content: ext4, made in TMPDIR (else /var/tmp) from a copy, or " +
        "HFS+ without one. What belongs to one machine is cleaned up, on ext2, ext3, ext4 and HFS+ volumes of disks, " +
        "too; the source itself never changes. A disk in use is refused.",
    )
    .argument("[source]", "device such as /dev/sdb, disk file, or folder")
    .option("--name <name>", "name of the image")
    .option("--notes <text>", "what people should know about this version", "")
    .addOption(new Option("--file-system <type>", "what a folder becomes (default: ext4)").choices(["ext4", "hfsplus"]))
    .option("--steps", "list the clean-up steps, and do nothing")
    .option("--as-is", "clean nothing up, and write no tag file")
    .option(
      "--without <step>",
      "leave out a clean-up step; may be given again",
      (step: string, before: readonly string[]) => [...before, step],
      [] as readonly string[],
    );
  examples(command, [
    "sudo bootcast image create /dev/sdb --name kiosk",
    'sudo bootcast image create /srv/golden --name lab-debian --notes "with the new compiler"',
    "sudo bootcast image create /srv/golden --name lab-debian --without caches --without trash",
    "sudo bootcast image create /srv/tiger --name tiger --file-system hfsplus",
    "bootcast image create old-lab.dmg --name lab --as-is",
    "bootcast image create --steps",
  ]);
  return globalOptions(hereOptions(storeKeyOption(passphraseOptions(freeSpaceOptions(command))))).action(
    async (path: string | undefined, given: CreateFlags) => {
      if (given.steps === true) return printSteps();
      if (path === undefined || given.name === undefined) throw incomplete(path === undefined);
      await create(command, path, { ...given, name: given.name });
    },
  );
}

async function create(command: Command, path: string, given: CreateFlags & { readonly name: string }): Promise<void> {
  const { signal } = interruption("It was interrupted; no image was made.");
  const now = Date.now();
  const start = performance.now();
  const { store, siteKey } = await openImageStore(command, "packs");
  const made = await openCreateSource(path, given, now, signal);
  try {
    const progress = progressLine("importing");
    const { manifest, writtenBytes, volumes, warnings } = await importImage({
      ...{ store, siteKey, source: made.source, freeSpace: made.freeSpace, now, signal },
      ...given,
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }).finally(() => progress.end());
    for (const warning of warnings) say(`warning: ${warning}`);
    for (const line of cleanUpLines(made)) say(line);
    const { tag, diskBytes } = manifest;
    const elapsedMs = Math.round(performance.now() - start);
    const image = { name: tag.name, version: tag.version, diskBytes, writtenBytes, elapsedMs, volumes, warnings };
    const { changes, tagFiles, notPossible } = made;
    printResult({ ...image, changes, tagFiles, notPossible }, () => {
      const stored = `${formatSize(diskBytes)}, ${formatSize(writtenBytes)} new in the store`;
      return `${tag.name}:${tag.version}  ${stored}, ${formatDuration(elapsedMs)}`;
    });
  } finally {
    await made.close();
  }
}

function printSteps(): void {
  const steps = [...cleanUpSteps, TAG_FILE_STEP].map(({ name, does }) => ({ name, does }));
  const width = Math.max(...steps.map(({ name }) => name.length)) + 2;
  printResult({ steps }, () => steps.map(({ name, does }) => `${name.padEnd(width)}${does}`).join("\n"));
}

function cleanUpLines({ changes, tagFiles, notPossible }: CreateSource): string[] {
  const counts = Map.groupBy(changes, ({ step }) => step);
  return [
    ...[...counts].map(([step, { length }]) => `${step}: ${length} ${length === 1 ? "place" : "places"}`),
    ...tagFiles.map((path) => `tag-file: ${path}`),
    ...notPossible,
  ];
}

function incomplete(isSource: boolean): Fault {
  return new Fault("USAGE", {
    what: isSource ? "Nothing was said to make an image of." : "The image has no name.",
    why: "Both a source and --name are needed.",
    fix: "bootcast image create SOURCE --name NAME",
  });
}
