import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { type ChangedBytes, diffImages, type ImageDiff, type PartitionChange } from "../../images/diff.ts";
import type { Manifest, Partition } from "../../images/manifest.ts";
import { hereOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { imageReference } from "./reference.ts";
import { readImageStore } from "./store.ts";

/** `bootcast image diff`: what changed from one image to another. */
export function imageDiffCommand(): Command {
  const command = new Command("diff")
    .description(
      "Shows what changed between two images: disk, partitions, file systems, content, and how much is to be sent.",
    )
    .argument("<before>", "name, or name:version")
    .argument("<after>", "name, or name:version");
  examples(command, ["bootcast image diff lab-debian:6 lab-debian:7", "bootcast image diff stable lab-debian --json"]);
  return globalOptions(hereOptions(command)).action(async (before: string, after: string) => {
    const { store } = await readImageStore(command, "manifests");
    const read = async (text: string): Promise<Manifest> => {
      const { name, version } = imageReference(text);
      return (await store.readManifest(name, version)).manifest;
    };
    const [old, now] = [await read(before), await read(after)];
    const diff = diffImages(old, now);
    printResult({ before: old.tag, after: now.tag, ...diff }, () => diffText(nameOf(old), nameOf(now), diff));
  });
}

function nameOf({ tag }: Manifest): string {
  return `${tag.name}:${tag.version}`;
}

function diffText(before: string, after: string, diff: ImageDiff): string {
  if (diff.isSame) return `${before} and ${after} are the same disk`;
  const lines = [`${before} ► ${after}`];
  const { diskBytes, scheme, bytes, changedCells, sendBytes, newBytes, storedBytes } = diff;
  if (diskBytes.before !== diskBytes.after)
    lines.push(`  disk         ${formatSize(diskBytes.before)} ► ${formatSize(diskBytes.after)}`);
  if (scheme.before !== scheme.after) lines.push(`  partitioned  ${scheme.before} ► ${scheme.after}`);
  for (const change of diff.partitions) lines.push(`  partition ${partitionText(change)}`);
  lines.push(
    `  whole disk   ${bytesText(bytes)} (${changedCells} cells); ${formatSize(bytes.sameBytes)} as before`,
    `  to send      ${formatSize(sendBytes)} to a host that has ${before}, of ${formatSize(storedBytes)}`,
    `  in the store ${formatSize(newBytes)} that ${before} does not use`,
  );
  return lines.join("\n");
}

function partitionText({ before, after, isAltered, bytes }: PartitionChange): string {
  const { number } = (after ?? before)!;
  if (before === undefined) return `${number}  new: ${partitionWords(after!)}`;
  if (after === undefined) return `${number}  gone: ${partitionWords(before)}`;
  const what = isAltered ? `${partitionWords(before)} ► ${partitionWords(after)}` : partitionWords(after);
  return `${number}  ${what}: ${bytesText(bytes)}`;
}

function partitionWords({ fileSystem, sizeBytes, startBytes, label }: Partition): string {
  const name = label === "" ? "" : ` "${label}"`;
  return `${fileSystem || "unknown content"}${name}, ${formatSize(sizeBytes)} at ${formatSize(startBytes)}`;
}

function bytesText({ changedBytes, addedBytes, removedBytes }: ChangedBytes): string {
  if (changedBytes + addedBytes + removedBytes === 0) return "as before";
  return `${formatSize(changedBytes)} changed, ${formatSize(addedBytes)} added, ${formatSize(removedBytes)} removed`;
}
