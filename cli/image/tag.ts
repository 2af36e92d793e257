import { Command } from "commander";
import { Fault } from "../../fault.ts";
import { renameImage } from "../../server/store/image-rename.ts";
import { removeAlias, setAlias, setNotes } from "../../server/store/labels.ts";
import { hereOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { refuseOrdered } from "./ordered.ts";
import { imageReference } from "./reference.ts";
import { openImageStore } from "./store.ts";

type TagFlags = {
  readonly alias?: string;
  readonly removeAlias?: string;
  readonly notes?: string;
  readonly rename?: string;
};

/** `bootcast image tag`: what an image version is called, after it was made. */
export function imageTagCommand(): Command {
  const command = new Command("tag")
    .description(
      "Gives an image version another name besides, other notes, or a new name. What was signed stays as it is: aliases and notes lie beside it, a new name is a new manifest over the same packs.",
    )
    .argument("<image>", "name, or name:version")
    .option("--alias <name>", "this name means this version from now on, wherever an image is named")
    .option("--remove-alias <name>", "this name means nothing any more")
    .option("--notes <text>", "what people should know about it")
    .option("--rename <name>", "a new name: for one version, or for all when none is named; signed anew");
  examples(command, [
    "bootcast image tag lab-debian:7 --alias stable          # deploys of stable get version 7",
    'bootcast image tag lab-debian:7 --notes "the compiler is broken"',
    "bootcast image tag lab-debian --rename lab-bookworm",
    "bootcast image tag lab-debian:7 --remove-alias stable",
  ]);
  return globalOptions(hereOptions(command)).action(async (text: string, flags: TagFlags) => {
    if (Object.values(flags).every((value) => typeof value !== "string")) throw nothingAsked();
    const { store, siteKey } = await openImageStore(command, "manifests");
    const reference = imageReference(text);
    const { tag } = (await store.readManifest(reference.name, reference.version)).manifest;
    const image = { name: tag.name, version: tag.version };
    const done: string[] = [];
    if (flags.removeAlias !== undefined) {
      await removeAlias(store, flags.removeAlias);
      done.push(`"${flags.removeAlias}" means nothing any more`);
    }
    if (flags.notes !== undefined) {
      await setNotes(store, image, flags.notes);
      done.push(`${image.name}:${image.version} has new notes`);
    }
    if (flags.alias !== undefined) {
      await setAlias(store, flags.alias, image);
      done.push(`"${flags.alias}" means ${image.name}:${image.version}`);
    }
    const renamed: Awaited<ReturnType<typeof renameImage>> = [];
    if (flags.rename !== undefined) {
      // A name alone means all versions; an alias means the one that it stands for.
      const isOne = reference.version !== undefined || reference.name !== image.name;
      const versions = isOne ? [image.version] : await store.versions(image.name);
      await refuseOrdered(
        command,
        versions.map((version) => ({ name: image.name, version })),
      );
      renamed.push(...(await renameImage(store, siteKey, { name: image.name, versions, newName: flags.rename })));
    }
    for (const { from, to } of renamed) done.push(`${from} is ${to}`);
    printResult({ ...image, ...flags, renamed }, () => done.join("\n"));
  });
}

function nothingAsked(): Fault {
  return new Fault("USAGE", {
    what: "Nothing was changed.",
    why: "None of --alias, --remove-alias, --notes and --rename was given.",
    fix: 'See "bootcast image tag --help".',
  });
}
