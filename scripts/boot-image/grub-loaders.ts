import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { type Architecture, hostArchitecture } from "./architecture.ts";
import { Debian, type DebianPackage } from "./debian.ts";
import { grubLoaders, grubSuite, type LoaderFile } from "./recipe.ts";
import { run } from "./run.ts";
import { Unpacked } from "./unpacked.ts";

/** Where loaders come from, once it is known which packages those are. */
export type LoaderSource = {
  readonly packages: readonly DebianPackage[];
  /** Name below the image's folder ► content. */
  read(): Promise<Map<string, Uint8Array>>;
};

/**
 * GRUB, shim and the memory test of Debian 13: from this machine's own apt where that has them, otherwise from the
 * same archive. Without them the image still boots what iPXE boots, so nothing fails.
 *
 * @param warn gets one sentence when they cannot be had
 */
export async function findGrubLoaders(options: {
  readonly architecture: Architecture;
  readonly cacheDir: string;
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}): Promise<LoaderSource> {
  try {
    return await findLoaders({ ...options, ...grubLoaders[options.architecture] });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    options.warn(`no loaders for Secure Boot and for machines without iPXE: ${error.what} ${error.why}`);
    return { packages: [], read: async () => new Map() };
  }
}

/**
 * Files of Debian's packages around GRUB, of a release whose GRUB is new enough.
 *
 * @throws {Fault} BOOT_IMAGE_PACKAGE_MISSING; when they are read BOOT_IMAGE_DOWNLOAD_FAILED, BOOT_IMAGE_FILE_MISSING
 */
export async function findLoaders(options: {
  readonly architecture: Architecture;
  readonly packages: readonly string[];
  readonly files: readonly LoaderFile[];
  readonly cacheDir: string;
  readonly say: (text: string) => void;
}): Promise<LoaderSource> {
  const { architecture, packages, files, cacheDir, say } = options;
  const own = architecture === hostArchitecture ? new Debian(cacheDir, say) : undefined;
  const shown = (await own?.look(packages)) ?? [];
  const isNewEnough = shown.length === packages.length && shown.every(isAtLeastGrub212);
  const debian = own !== undefined && isNewEnough ? own : new Debian(cacheDir, say, { suite: grubSuite, architecture });
  const chosen = await debian.resolve(packages, [], /^$/);
  return { packages: chosen, read: async () => readFiles(await debian.download(chosen), files, cacheDir) };
}

/** Debian's signed GRUB is "1+2.12+9+deb13u2"; packages of other names have no say. */
export function isAtLeastGrub212({ name, version }: { readonly name: string; readonly version: string }): boolean {
  if (!name.startsWith("grub-efi-")) return true;
  const [, major = 0, minor = 0] = (/(?:^|\+)(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  return major > 2 || (major === 2 && minor >= 12);
}

async function readFiles(
  debs: ReadonlyMap<string, string>,
  files: readonly LoaderFile[],
  cacheDir: string,
): Promise<Map<string, Uint8Array>> {
  const root = await mkdtemp(join(cacheDir, "unpacked-"));
  try {
    for (const deb of debs.values()) await run("dpkg-deb", ["--extract", deb, root]);
    const unpacked = new Unpacked(root);
    const contents = new Map<string, Uint8Array>();
    for (const { name, from } of files) {
      const content = await unpacked.read(from);
      if (content === undefined) throw loaderMissing(name, from);
      contents.set(name, content);
    }
    return contents;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function loaderMissing(name: string, from: string): Fault {
  return new Fault("BOOT_IMAGE_FILE_MISSING", {
    what: `The boot loader ${name} is in none of Debian's packages that were fetched for it.`,
    why: `They have no ${from}: this release of Debian keeps it elsewhere.`,
    fix: "Add its place to scripts/boot-image/recipe.ts.",
  });
}
