import { realpath, stat } from "node:fs/promises";
import { Command } from "commander";
import { thisMachine } from "../agent/machine-files.ts";
import { formatDuration, formatSize } from "../agent/sizes.ts";
import { Fault } from "../fault.ts";
import { cleanUpSteps, stepsWithout, TAG_FILE_STEP } from "../images/clean-up/steps.ts";
import { builderName, importImage } from "../server/image-import.ts";
import { type FolderVolume, volumeOfFolder } from "../server/images/create-from-folder.ts";
import { isSparseBundle } from "../server/images/sparse-bundle-folder.ts";
import { configOptions, storeKeyOption } from "./configuration.ts";
import { type FreeSpaceFlags, freeSpaceOf, freeSpaceOptions } from "./free-space-flags.ts";
import { fileSourceOf, openImageFile } from "./image-file.ts";
import { openImageStore } from "./image-store.ts";
import { interruption } from "./interruption.ts";
import { examples, globalOptions, printResult, say } from "./output.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { progressLine } from "./progress.ts";
import { refuseSourceInUse } from "./source-in-use.ts";

type CreateFlags = PassphraseFlags &
  FreeSpaceFlags & {
    readonly name?: string;
    readonly notes: string;
    readonly without: readonly string[];
    readonly steps?: boolean;
  };

/** `bootcast image create`: makes an image of a disk that is not in use, or of a folder. */
export function imageCreateCommand(): Command {
  const command = new Command("create")
    .description(
      "Makes an image of a disk, a disk file or a folder. The same name again makes the next version.\n\n" +
        "A folder becomes an ext4 volume as small as its content, made in TMPDIR (else /var/tmp) from a cleaned-up\n" +
        "copy; the folder itself does not change. A disk in use is refused.",
    )
    .argument("[source]", "device such as /dev/sdb, disk file, or folder")
    .option("--name <name>", "name of the image")
    .option("--notes <text>", "what people should know about this version", "")
    .option("--steps", "list the clean-up steps, and do nothing")
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
    "bootcast image create --steps",
  ]);
  return globalOptions(configOptions(storeKeyOption(passphraseOptions(freeSpaceOptions(command))))).action(
    async (path: string | undefined, given: CreateFlags) => {
      if (given.steps === true) return printSteps();
      if (path === undefined || given.name === undefined) throw incomplete(path === undefined);
      await create(command, path, { ...given, name: given.name });
    },
  );
}

async function create(command: Command, path: string, given: CreateFlags & { readonly name: string }): Promise<void> {
  const { steps, hasTagFile } = stepsWithout(given.without);
  const { signal } = interruption("It was interrupted; no image was made.");
  const now = Date.now();
  const start = performance.now();
  const found = await stat(path).catch(() => undefined);
  let folder: FolderVolume | undefined;
  if (found?.isDirectory() === true && !(await isSparseBundle(path))) {
    const { name, notes } = given;
    if (process.getuid?.() !== 0) say("warning: without root the image's files belong to you, not to their owners.");
    const tag = { name, notes, source: await realpath(path), builder: builderName(), createdAtMs: now };
    folder = await volumeOfFolder(path, { steps, name, log: say, signal, ...(hasTagFile && { tag }) });
  } else if (given.without.length > 0) {
    throw noCleanUp(path);
  } else if (found !== undefined) {
    refuseSourceInUse(await realpath(path), found, thisMachine);
  }
  try {
    const { store, siteKey } = await openImageStore(command, "packs");
    const source = folder?.path ?? path;
    const image = await openImageFile(source, given, { signal });
    const progress = progressLine("importing");
    try {
      const { manifest, writtenBytes, volumes, warnings } = await importImage({
        store,
        siteKey,
        source: fileSourceOf(image),
        ...given,
        freeSpace: freeSpaceOf(given, source, image, signal),
        now,
        onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
        signal,
      }).finally(() => progress.end());
      for (const warning of warnings) say(`warning: ${warning}`);
      if (folder !== undefined) for (const line of cleanUpLines(folder)) say(line);
      const { tag, diskBytes } = manifest;
      const elapsedMs = Math.round(performance.now() - start);
      const made = { name: tag.name, version: tag.version, diskBytes, writtenBytes, elapsedMs, volumes, warnings };
      const cleaned = folder && { changes: folder.changes, tagFile: folder.tagFile };
      printResult({ ...made, ...cleaned }, () => {
        const stored = `${formatSize(diskBytes)}, ${formatSize(writtenBytes)} new in the store`;
        return `${tag.name}:${tag.version}  ${stored}, ${formatDuration(elapsedMs)}`;
      });
    } finally {
      await image.close();
    }
  } finally {
    await folder?.remove();
  }
}

function printSteps(): void {
  const steps = [...cleanUpSteps, TAG_FILE_STEP].map(({ name, does }) => ({ name, does }));
  const width = Math.max(...steps.map(({ name }) => name.length)) + 2;
  printResult({ steps }, () => steps.map(({ name, does }) => `${name.padEnd(width)}${does}`).join("\n"));
}

function cleanUpLines({ changes, tagFile }: FolderVolume): string[] {
  const counts = Map.groupBy(changes, ({ step }) => step);
  const lines = [...counts].map(([step, { length }]) => `${step}: ${length} ${length === 1 ? "place" : "places"}`);
  return tagFile === undefined ? lines : [...lines, `tag-file: /${tagFile}`];
}

function incomplete(isSource: boolean): Fault {
  return new Fault("USAGE", {
    what: isSource ? "Nothing was said to make an image of." : "The image has no name.",
    why: "Both a source and --name are needed.",
    fix: "bootcast image create SOURCE --name NAME",
  });
}

function noCleanUp(path: string): Fault {
  return new Fault("USAGE", {
    what: `Clean-up steps cannot be left out for ${path}.`,
    why: "Only the copy of a folder is cleaned up; a disk is taken as it is.",
    fix: "Leave --without away.",
  });
}
