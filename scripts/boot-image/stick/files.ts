import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../architecture.ts";
import { grubMenu } from "./menu.ts";
import type { StickFile } from "./plan.ts";
import { localLayer } from "./program.ts";

/** What a stick starts machines with, for one kind of them. */
export type StickBoot = {
  readonly architecture: Architecture;
  /** The folder of its boot image. */
  readonly directory: string;
  /** Loaders by their path on the stick. */
  readonly loaders: ReadonlyMap<string, Uint8Array>;
};

/** The files that make a stick boot: loaders, menu, kernel, initramfs, and what a restore by hand needs besides. */
export async function bootFiles(
  boots: readonly StickBoot[],
  options: { readonly version: string; readonly kernelArguments: string; readonly enrolment?: string | undefined },
): Promise<StickFile[]> {
  const { version, kernelArguments, enrolment } = options;
  const architectures = boots.map(({ architecture }) => architecture);
  const files: StickFile[] = [
    bytesFile("boot/grub/grub.cfg", Buffer.from(grubMenu({ architectures, kernelArguments, enrolment }))),
    // By this name Debian's GRUB for media knows the volume that it belongs to.
    bytesFile(".disk/info", Buffer.from(`bootcast ${version}\n`)),
    bytesFile("README.TXT", Buffer.from(readme(version))),
  ];
  for (const { architecture, directory, loaders } of boots) {
    const folder = architecture === "arm64" ? "boot/arm64" : "boot";
    for (const [path, content] of loaders) files.push(bytesFile(path, content));
    files.push(await diskFile(`${folder}/vmlinuz`, join(directory, "vmlinuz")));
    files.push(await diskFile(`${folder}/initrd.img`, join(directory, "initramfs.img")));
    files.push(bytesFile(`${folder}/local.img`, await localLayer(architecture, version)));
  }
  return files;
}

function readme(version: string): string {
  return [
    `This stick was made by bootcast ${version}.`,
    "Start a machine from it to write an image to its disk. Nothing is erased before you say so.",
    "Disk images (.dmg, .raw, .qcow2 and others) that you copy into the folder images are offered, too.",
    "",
  ].join("\r\n");
}

function bytesFile(path: string, bytes: Uint8Array): StickFile {
  return {
    path,
    sizeBytes: bytes.length,
    async *content() {
      yield bytes;
    },
  };
}

async function diskFile(path: string, from: string): Promise<StickFile> {
  const { size } = await stat(from);
  return { path, sizeBytes: size, content: () => createReadStream(from, { highWaterMark: 1 << 20 }) };
}
