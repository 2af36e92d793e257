import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { type Architecture, architectures, namesOf } from "./architecture.ts";
import type { ListedFile } from "./write-whole.ts";

/** What `boot-image.json` says about the files beside it. It holds no date: same inputs, same bytes. */
export type BootImage = {
  readonly format: 1;
  readonly architecture: Architecture;
  /** SHA-256 over everything the image was made from. */
  readonly inputs: string;
  readonly bootcast: string;
  readonly kernel: string;
  readonly node: string;
  /** Absent when the agent has only node:dgram. */
  readonly koffi?: string;
  readonly compressor: string;
  readonly packages: readonly { readonly name: string; readonly version: string; readonly sha256: string }[];
  /** Packages that are in it because this site asked for a remote shell or 802.1X. */
  readonly extras?: readonly string[];
  /** Modules of the recipe that this kernel does not have. */
  readonly absentModules: readonly string[];
  /** SHA-256 of the agent's file and of the trusted public keys. */
  readonly agent: string;
  readonly siteKey: string;
  /** Memory that the unpacked initramfs occupies on a client. */
  readonly unpackedBytes: number;
  readonly files: readonly ListedFile[];
};

export const descriptionFile = "boot-image.json";

/**
 * Reads the description of the boot image in a folder.
 *
 * @throws {Fault} BOOT_IMAGE_ABSENT
 */
export async function readBootImage(directory: string): Promise<BootImage> {
  try {
    return JSON.parse(await readFile(join(directory, descriptionFile), "utf8")) as BootImage;
  } catch (error) {
    throw new Fault(
      "BOOT_IMAGE_ABSENT",
      {
        what: `There is no boot image in ${directory}.`,
        why: `${descriptionFile} cannot be read there: ${error instanceof Error ? error.message : String(error)}`,
        fix: "Run: bootcast boot-image build",
      },
      error,
    );
  }
}

/**
 * The boot images in a boot directory, one for each kind of machine.
 *
 * @throws {Fault} BOOT_IMAGE_ABSENT when there is none at all
 */
export async function readBootImages(bootDir: string): Promise<(BootImage & { readonly directory: string })[]> {
  const directories = architectures.map((architecture) => join(bootDir, namesOf[architecture].folder));
  const found = await Promise.allSettled(
    directories.map(async (directory) => ({ directory, ...(await readBootImage(directory)) })),
  );
  const images = found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const [first] = found;
  if (images.length === 0 && first?.status === "rejected") throw first.reason;
  return images;
}
