import { readdir, readFile, rm, stat } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { type Architecture, hostArchitecture, namesOf, stripperFor } from "./architecture.ts";
import { addKoffi, agentProgram, findRuntime } from "./bundle.ts";
import type { ArchiveEntry } from "./cpio.ts";
import { Debian, type DebianPackage } from "./debian.ts";
import { type BootImage, descriptionFile, readBootImage } from "./description.ts";
import { addExtraFiles, type Extras, extraPackages, makeExtras } from "./extras.ts";
import { FileTree } from "./file-tree.ts";
import { findGrubLoaders } from "./grub-loaders.ts";
import { cachedLayer, compressorVersion, digestOf, makeLayer, type Packing } from "./layers.ts";
import { firmwarePackages, followedDependency, grubSuite, packagesFor } from "./recipe.ts";
import { run } from "./run.ts";
import { makeRuntime, makeSystem, type SystemNotes } from "./system.ts";
import { isWhole, listed, sha256, writeFolder } from "./write-whole.ts";

export type BuildOptions = {
  /** The kind of machine that it is for. Default: what this machine is. */
  readonly architecture?: Architecture;
  /** The boot directory. vmlinuz, initramfs.img, loaders and boot-image.json go there, or into its folder arm64. */
  readonly outputDir: string;
  /** Packages, unpacked layers: kept between builds, safe to delete. */
  readonly cacheDir: string;
  /** The agent as one ready CommonJS file; without it the package's own is taken, or agent/main.ts is bundled. */
  readonly agentFile?: string | undefined;
  /** SPKI PEM: the site's own public key first, which the agent obeys; then those whose images it may restore. */
  readonly siteKey: string;
  readonly version: string;
  /** What only this site wants in it. */
  readonly extras?: Extras;
  /** Firmware of network cards: where apt offers it, never, or without it no image. Default: "auto". */
  readonly firmware?: FirmwareChoice;
  /** Default: "best". */
  readonly packing?: Packing;
  /** One line per step. */
  readonly say: (text: string) => void;
  /** One sentence for what the image has to do without. Default: as `say`. */
  readonly warn?: (text: string) => void;
};

export const firmwareChoices = ["auto", "all", "none"] as const;
export type FirmwareChoice = (typeof firmwareChoices)[number];

/** The kernel gives half of its memory to an unpacked initramfs: 215 MB of the smallest client's 512 MiB (measured). */
const MOST_UNPACKED_BYTES = 205e6;
const MOST_INITRAMFS_BYTES = 60e6;
const CACHE_KEPT_DAYS = 30;

/**
 * Builds the boot image, or returns what is there when nothing it is made from has changed.
 *
 * @throws {Fault} BOOT_IMAGE_… with what to install or change
 */
export async function buildBootImage(options: BuildOptions): Promise<BootImage & { readonly isUnchanged: boolean }> {
  const {
    architecture = hostArchitecture,
    cacheDir,
    say,
    warn = say,
    extras = {},
    firmware = "auto",
    packing = "best",
  } = options;
  const outputDir = join(options.outputDir, namesOf[architecture].folder);
  // apt here knows only its own kind of machine; for another one Debian 13 is taken, whatever runs here.
  const release = architecture === hostArchitecture ? undefined : { suite: grubSuite, architecture };
  const debian = new Debian(cacheDir, say, release);
  const names = [...packagesFor(architecture), ...(firmware === "all" ? firmwarePackages : [])];
  const chosen = await debian.resolve(names, firmware === "auto" ? firmwarePackages : [], followedDependency);
  const extraNames = extraPackages(extras, architecture);
  const extra = extraNames.length === 0 ? [] : await debian.resolve(extraNames, [], followedDependency);
  const grub = await findGrubLoaders({ architecture, cacheDir, say, warn });
  const runtime = await findRuntime(architecture, cacheDir);
  const strip = (await run(stripperFor(architecture), ["--version"])).toString("utf8").split("\n")[0];
  const agent = options.agentFile === undefined ? await agentProgram() : await readFile(options.agentFile);
  const own = await ownFiles(agent, options, architecture);
  const recipe = await recipeDigest();
  const runtimeInputs = { runtime: runtime.sha256, strip, recipe: await runtimeRecipe() };
  const systemInputs = { recipe, runtime: runtime.sha256, packages: chosen.map(({ name, sha256 }) => [name, sha256]) };
  const loaderInputs = grub.packages.map(({ name, sha256 }) => [name, sha256]);
  const extraInputs = { systemInputs, extraNames, packages: extra.map(({ name, sha256 }) => [name, sha256]) };
  const layerInputs = [runtimeInputs, systemInputs, extraInputs, loaderInputs, own.digest];
  const inputs = digestOf([architecture, layerInputs, compressorVersion(packing)]);

  const there = await readBootImage(outputDir).catch(() => undefined);
  if (there?.inputs === inputs && (await isWhole(outputDir, there.files))) return { ...there, isUnchanged: true };

  // zstd works outside of this thread: both layers are compressed at the same time.
  const [runtimeLayer, system, ownLayer, grubLoaders] = await Promise.all([
    cachedLayer(cacheDir, "runtime", runtimeInputs, packing, async () => {
      say(`compressing Node ${runtime.version}: about a minute, once per version`);
      return { ...(await makeRuntime(runtime, architecture, cacheDir)), notes: {}, files: new Map() };
    }),
    cachedLayer<SystemNotes>(cacheDir, "system", systemInputs, packing, async () => {
      const debs = await debian.download(chosen);
      return makeSystem({ architecture, debs: chosen.map(({ name }) => debs.get(name)!), runtime, cacheDir, say });
    }),
    makeLayer(own.tree.entries(), packing),
    grub.read(),
  ]);
  // Empty where nothing was asked for.
  const extraLayer = await cachedLayer(cacheDir, "extras", extraInputs, packing, async () => {
    const files = await debian.download(extra);
    const there = new Set(system.notes.libraries);
    const debs = extra.map(({ name }) => files.get(name)!);
    return { entries: await makeExtras({ extras, architecture, debs, cacheDir, there }), notes: {}, files: new Map() };
  });
  // Where memory is short the kernel stops in the middle: what says so comes first, the largest last.
  const layers = [ownLayer, system, extraLayer, runtimeLayer, await makeLayer(wholeMark(), packing)];
  const files = new Map<string, Uint8Array>([
    ["vmlinuz", system.files.get("vmlinuz")!],
    ["initramfs.img", Buffer.concat(layers.map(({ compressed }) => compressed))],
    ...Object.entries(system.notes.loaders).map(([name, file]) => [name, system.files.get(file)!] as const),
    ...grubLoaders,
    ...system.notes.boards.map((name) => [`boards/${name}`, system.files.get(name)!] as const),
  ]);
  const image: BootImage = {
    format: 1,
    architecture,
    inputs,
    bootcast: options.version,
    kernel: system.notes.kernel,
    node: runtime.version,
    ...(own.koffi === undefined ? {} : { koffi: own.koffi }),
    compressor: compressorVersion(packing),
    extras: extraNames,
    packages: namedOnce([...chosen, ...extra, ...grub.packages]),
    absentModules: system.notes.absentModules,
    agent: sha256(agent),
    siteKey: sha256(Buffer.from(options.siteKey)),
    unpackedBytes: layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0),
    files: listed(files),
  };
  checkSizes(image);
  say(`writing ${outputDir}`);
  await writeFolder(outputDir, files, { name: descriptionFile, value: image });
  await prune(cacheDir);
  return { ...image, isUnchanged: false };
}

/** What is ours in the image: /init and its helper, the agent, koffi, the keys it trusts. */
async function ownFiles(
  agent: Uint8Array,
  { siteKey, version, cacheDir, extras = {} }: BuildOptions,
  architecture: Architecture,
): Promise<{ tree: FileTree; digest: string; koffi: string | undefined }> {
  const tree = new FileTree();
  tree.addFile("init", await readFile(join(import.meta.dirname, "init")), 0o755);
  tree.addFile("etc/bootcast/lease", await readFile(join(import.meta.dirname, "lease")), 0o755);
  tree.addFile("etc/bootcast/network", await readFile(join(import.meta.dirname, "network")));
  tree.addFile("etc/bootcast/site.pub", siteKey);
  tree.addFile("etc/bootcast/version", `${version}\n`);
  tree.addFile("usr/lib/bootcast/agent.cjs", agent);
  addExtraFiles(tree, extras);
  const koffi = await addKoffi(tree, "usr/lib/bootcast", architecture, cacheDir);
  const digest = digestOf(tree.entries().map((entry) => [entry.path, entry.type === "file" && sha256(entry.content)]));
  return { tree, digest, koffi };
}

/** What decides which packages there are and where files go, but not what is in the system layer. */
const outside =
  /^(apt-lists|archive|description|grub-loaders|icu-data|nbi.*|npm-package|raspberry|remote-shell|type-stripper|wired-8021x|write-whole)\.[tj]s$/;

// The code that makes the system layer is one of its inputs.
async function recipeDigest(): Promise<string> {
  const all = await readdir(import.meta.dirname);
  const names = all.filter((name) => /\.[tj]s$/.test(name) && !outside.test(name)).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(import.meta.dirname, name))));
  return digestOf(contents.map(sha256));
}

/** /init knows by it that everything before was unpacked. */
function wholeMark(): ArchiveEntry[] {
  const tree = new FileTree();
  tree.addFile("etc/bootcast/whole", "");
  return tree.entries();
}

/** Libraries are needed by several. */
function namedOnce(packages: readonly DebianPackage[]): BootImage["packages"] {
  const byName = new Map(packages.map(({ name, version, sha256 }) => [name, { name, version, sha256 }]));
  return [...byName.values()];
}

/** The code that makes the runtime layer. */
async function runtimeRecipe(): Promise<string[]> {
  const digestOf = async (name: string) =>
    sha256(await readFile(join(import.meta.dirname, name + extname(import.meta.filename))));
  return Promise.all(["icu-data", "type-stripper"].map(digestOf));
}

/** Removes packages and layers that no build has used for a month, and what a killed build left behind. */
async function prune(cacheDir: string): Promise<void> {
  const oldest = Date.now() - CACHE_KEPT_DAYS * 24 * 3600_000;
  for (const folder of ["packages", "layers", "npm", "apt", "."].map((name) => join(cacheDir, name))) {
    for (const name of await readdir(folder).catch(() => [])) {
      // In the cache's own folder lie the folders named here, too.
      if (relative(cacheDir, folder) === "" && !/^(unpacked|stripped)-/.test(name)) continue;
      const status = await stat(join(folder, name)).catch(() => undefined);
      if (status !== undefined && status.mtimeMs < oldest) {
        await rm(join(folder, name), { recursive: true, force: true });
      }
    }
  }
}

function checkSizes(image: BootImage): void {
  const initramfs = image.files.find(({ name }) => name === "initramfs.img")!;
  if (initramfs.sizeBytes <= MOST_INITRAMFS_BYTES && image.unpackedBytes <= MOST_UNPACKED_BYTES) return;
  throw new Fault("BOOT_IMAGE_TOO_LARGE", {
    what: `The boot image has ${formatSize(initramfs.sizeBytes)} and unpacks to ${formatSize(image.unpackedBytes)}.`,
    why: `A client with 512 MiB of memory can unpack ${formatSize(MOST_UNPACKED_BYTES)}; ${formatSize(MOST_INITRAMFS_BYTES)} are the most to load.`,
    fix: "Build with --firmware none, or shorten scripts/boot-image/drivers-*.ts.",
  });
}
