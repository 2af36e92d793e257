import { existsSync } from "node:fs";
import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { dataBytes, type Manifest } from "../../images/manifest.ts";
import { usedBytes } from "../../images/verify.ts";
import { hereOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { isImageFile, openImageFile } from "./file.ts";
import { describeImageFile, imageFileInfoText } from "./file-info.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { imageReference } from "./reference.ts";
import { readImageStore } from "./store.ts";

/** `bootcast image info`: what an image is. */
export function imageInfoCommand(): Command {
  const command = new Command("info")
    .description(
      "Shows what an image of the store, or any disk image file, is: its disk, its partitions, its size, who made it.\n\n" +
        "Files: raw, .dmg (encrypted, too), .sparseimage, .sparsebundle, partclone, qcow2, VMDK, VHD, VHDX, VDI; each also in gzip, xz, zstd or zip.",
    )
    .argument("<image>", "name, or name:version, or a file");
  examples(command, [
    "bootcast image info lab-debian",
    "bootcast image info lab-debian:2    # an older version",
    "bootcast image info lab-debian --json",
    "bootcast image info tiger.dmg       # a file that is not in the store",
    "bootcast image info secret.dmg --passphrase-file passphrase.txt",
  ]);
  return globalOptions(hereOptions(passphraseOptions(command))).action(
    async (image: string, flags: PassphraseFlags) => {
      if (await isImageFile(image)) return showFile(image, flags);
      if (existsSync(image)) throw noImage(image);
      const { store } = await readImageStore(command, "manifests");
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
    },
  );
}

/** `isImageFile` has refused it: what is there is a folder. */
function noImage(path: string): Fault {
  return new Fault("FILE_KIND", {
    what: `${path} is not a disk image.`,
    why: "It is a folder, and no sparse bundle: it has no Info.plist that says so, and no bands.",
    fix: `Give a file. "bootcast image create ${path} --name NAME" makes an image of a folder.`,
  });
}

async function showFile(path: string, flags: PassphraseFlags): Promise<void> {
  const image = await openImageFile(path, flags);
  try {
    printResult(await describeImageFile(path, image), imageFileInfoText);
  } finally {
    await image.close();
  }
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

const schemeNames = { gpt: "GPT", mbr: "MBR", apm: "Apple partition map", none: "not partitioned" } as const;
