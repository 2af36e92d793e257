import { Command } from "commander";
import { formatSize } from "../agent/sizes.ts";
import { Fault } from "../fault.ts";
import { type BadPack, checkImage } from "../server/image-check.ts";
import { configOptions } from "./configuration.ts";
import { imageReference } from "./image-reference.ts";
import { readImageStore } from "./image-store.ts";
import { interruption } from "./interruption.ts";
import { examples, globalOptions, printResult, say } from "./output.ts";
import { progressLine } from "./progress.ts";

/** `bootcast image verify`: checks an image of the store. */
export function imageVerifyCommand(): Command {
  const command = new Command("verify")
    .description("Reads all packs of an image and checks them, and the manifest, against the site's signature.")
    .argument("<image>", "name, or name:version");
  examples(command, ["bootcast image verify lab-debian", "bootcast image verify lab-debian:2 --json"]);
  return globalOptions(configOptions(command)).action(async (image: string) => {
    const { store, siteKey } = await readImageStore(command);
    const { name, version } = imageReference(image);
    const { manifest } = await store.readManifest(name, version);
    const progress = progressLine("verifying");
    const bad = await checkImage(store, manifest, {
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
      signal: interruption("The check was interrupted.").signal,
    }).finally(() => progress.end());
    const { tag, packs } = manifest;
    if (bad.length > 0) throw damagedImage(`${tag.name}:${tag.version}`, bad, packs.length);
    const storedBytes = packs.reduce((sum, pack) => sum + pack.storedBytes, 0);
    printResult(
      { name: tag.name, version: tag.version, packs: packs.length, storedBytes, signedBy: siteKey.fingerprint },
      () => `${tag.name}:${tag.version} is sound: ${packs.length} packs, ${formatSize(storedBytes)}, signature checked`,
    );
  });
}

const SHOWN = 10;

function damagedImage(image: string, bad: readonly BadPack[], packs: number): Fault {
  for (const { pack, fault } of bad.slice(0, SHOWN)) say(`pack ${pack}: ${fault.what}`);
  if (bad.length > SHOWN) say(`… and ${bad.length - SHOWN} more`);
  const why = `${bad.length} of its ${packs} packs are missing or damaged, the first is number ${bad[0]!.pack}.`;
  return new Fault("IMAGE_DAMAGED", {
    what: `${image} cannot be restored as it is.`,
    why,
    fix: "Import the same disk image again: the damaged packs are then written anew. Check the disk of the store, too.",
  });
}
