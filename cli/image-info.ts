import { Command } from "commander";
import { formatSize } from "../agent/sizes.ts";
import { CELL_BYTES } from "../images/cell.ts";
import type { Manifest } from "../images/manifest.ts";
import { usedBytes } from "../images/verify.ts";
import { configOptions } from "./configuration.ts";
import { imageReference } from "./image-reference.ts";
import { readImageStore } from "./image-store.ts";
import { examples, globalOptions, printResult } from "./output.ts";

/** `bootcast image info`: what an image is. */
export function imageInfoCommand(): Command {
  const command = new Command("info")
    .description("Shows what an image is: its disk, its partitions, its size, who made it.")
    .argument("<image>", "name, or name:version");
  examples(command, [
    "bootcast image info lab-debian",
    "bootcast image info lab-debian:2    # an older version",
    "bootcast image info lab-debian --json",
  ]);
  return globalOptions(configOptions(command)).action(async (image: string) => {
    const { store } = await readImageStore(command);
    const { name, version } = imageReference(image);
    const { manifest, bytes } = await store.readManifest(name, version);
    const { tag, diskBytes, sectorBytes, scheme, partitions, packs } = manifest;
    const info = {
      ...tag,
      diskBytes,
      sectorBytes,
      scheme,
      partitions,
      packs: packs.length,
      storedBytes: packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      usedBytes: usedBytes(manifest),
      dataBytes: dataBytes(manifest),
      manifestBytes: bytes.length,
      root: Buffer.from(manifest.root).toString("hex"),
    };
    printResult(info, infoText);
  });
}

type Info = Manifest["tag"] &
  Pick<Manifest, "diskBytes" | "sectorBytes" | "scheme" | "partitions"> & {
    readonly packs: number;
    readonly storedBytes: number;
    readonly dataBytes: number;
    readonly root: string;
  };

function infoText(info: Info): string {
  const lines = [
    `${info.name}:${info.version}`,
    `  made        ${new Date(info.createdAtMs).toISOString().replace("T", " ").slice(0, 16)} UTC by ${info.builder}`,
    ...(info.notes === "" ? [] : [`  notes       ${info.notes}`]),
    `  disk        ${formatSize(info.diskBytes)}, sectors of ${info.sectorBytes} bytes, ${schemeNames[info.scheme]}`,
    `  content     ${formatSize(info.dataBytes)}`,
    `  stored      ${formatSize(info.storedBytes)} in ${info.packs} packs`,
    `  root        ${info.root}`,
  ];
  for (const { number, startBytes, sizeBytes, type, label, fileSystem } of info.partitions) {
    const what = [fileSystem || "unknown content", label && `"${label}"`].filter(Boolean).join(" ");
    lines.push(`  partition ${number}  ${what}, ${formatSize(sizeBytes)} at ${formatSize(startBytes)}, type ${type}`);
  }
  return lines.join("\n");
}

const schemeNames = { gpt: "GPT", mbr: "MBR", none: "not partitioned" } as const;

/** The bytes of the disk that hold data: neither zero nor unused. Equal cells count each time. */
function dataBytes(manifest: Manifest): number {
  let cells = 0;
  for (const { state, count } of manifest.cells.runs()) if (state === "data") cells += count;
  return Math.min(cells * CELL_BYTES, manifest.diskBytes);
}
