import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import type { DamagedImage } from "../../server/store/store.ts";
import { type ImageUsage, type StoreUsage, storeUsage } from "../../server/store/usage.ts";
import { hereOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { imageStoreForList } from "./store.ts";

/** `bootcast image list`: what the store holds, and what each version takes. */
export function imageListCommand(): Command {
  const command = new Command("list").description(
    "Lists the images of the store, all versions: OWN is what removing this one alone would free.",
  );
  examples(command, ["bootcast image list", "bootcast image list --json"]);
  return globalOptions(hereOptions(command)).action(async () => {
    const store = imageStoreForList(command);
    const damaged: DamagedImage[] = [];
    const usage = await storeUsage(store, (image) => damaged.push(image));
    for (const { name, version, fault } of damaged) say(`warning: ${name}:${version} is damaged: ${fault.what}`);
    const images = usage.images.map(({ tag, ...rest }) => ({ ...tag, ...rest }));
    printResult({ images, storedBytes: usage.storedBytes, damaged }, () => listText(usage, damaged.length));
  });
}

function listText({ images, storedBytes }: StoreUsage, damagedCount: number): string {
  if (images.length === 0 && damagedCount > 0) return "No image can be read.";
  if (images.length === 0) return 'No images yet. Make one: "bootcast image import FILE --name NAME"';
  const rows = images.map((image) => [
    nameOf(image),
    formatSize(image.diskBytes),
    formatSize(image.usedBytes),
    formatSize(image.storedBytes),
    formatSize(image.storedBytes - image.sharedBytes),
    dateOf(image.tag.createdAtMs),
    verifiedText(image),
    image.tag.notes,
  ]);
  const table = [["IMAGE", "DISK", "USED", "STORED", "OWN", "MADE", "VERIFIED", "NOTES"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, `The packs of all images, each once: ${formatSize(storedBytes)}`].join("\n");
}

function nameOf({ tag, aliases }: ImageUsage): string {
  const name = `${tag.name}:${tag.version}`;
  return aliases.length === 0 ? name : `${name} (${aliases.join(", ")})`;
}

function verifiedText({ verified }: ImageUsage): string {
  if (verified === undefined) return "never";
  return verified.badPacks === 0 ? dateOf(verified.atMs) : `${verified.badPacks} bad packs`;
}

function dateOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
