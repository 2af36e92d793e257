import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { formatSize } from "../../agent/sizes.ts";
import { Fault } from "../../fault.ts";
import { type Architecture, hostArchitecture, namesOf, stripperFor } from "./architecture.ts";
import { addKoffi, agentProgram, findRuntime } from "./bundle.ts";
import { Debian } from "./debian.ts";
import { type BootImage, descriptionFile, readBootImage } from "./description.ts";
import { FileTree } from "./file-tree.ts";
import { findGrubLoaders } from "./grub-loaders.ts";
import { cachedLayer, compressorVersion, digestOf, makeLayer } from "./layers.ts";
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
  /** One line per step. */
  readonly say: (text: string) => void;
  /** One sentence for what the image has to do without. Default: as `say`. */
  readonly warn?: (text: string) => void;
};

/** Half of the smallest client's memory (1 GiB) is all that the kernel gives to an unpacked initramfs. */
const MOST_UNPACKED_BYTES = 400e6;
const MOST_INITRAMFS_BYTES = 60e6;
const CACHE_KEPT_DAYS = 30;

/**
 * Builds the boot image, or returns what is there when nothing it is made from has changed.
 *
 * @throws {Fault} BOOT_IMAGE_… with what to install or change
 */
export async function buildBootImage(options: BuildOptions): Promise<BootImage & { readonly isUnchanged: boolean }> {
  const { architecture = hostArchitecture, cacheDir, say, warn = say } = options;
  const outputDir = join(options.outputDir, namesOf[architecture].folder);
  // apt here knows only its own kind of machine; for another one Debian 13 is taken, whatever runs here.
  const release = architecture === hostArchitecture ? undefined : { suite: grubSuite, architecture };
  const debian = new Debian(cacheDir, say, release);
  const chosen = await debian.resolve(packagesFor(architecture), firmwarePackages, followedDependency);
  const grub = await findGrubLoaders({ architecture, cacheDir, say, warn });
  const runtime = await findRuntime(architecture, cacheDir);
  const strip = (await run(stripperFor(architecture), ["--version"])).toString("utf8").split("\n")[0];
  const agent = options.agentFile === undefined ? await agentProgram() : await readFile(options.agentFile);
  const own = await ownFiles(agent, options, architecture);
  const recipe = await recipeDigest();
  const runtimeInputs = { runtime: runtime.sha256, strip };
  const systemInputs = { recipe, runtime: runtime.sha256, packages: chosen.map(({ name, sha256 }) => [name, sha256]) };
  const loaderInputs = grub.packages.map(({ name, sha256 }) => [name, sha256]);
  const inputs = digestOf([architecture, runtimeInputs, systemInputs, loaderInputs, own.digest, compressorVersion]);

  const there = await readBootImage(outputDir).catch(() => undefined);
  if (there?.inputs === inputs && (await isWhole(outputDir, there.files))) return { ...there, isUnchanged: true };

  // zstd works outside of this thread: both layers are compressed at the same time.
  const [runtimeLayer, system, ownLayer, grubLoaders] = await Promise.all([
    cachedLayer(cacheDir, "runtime", runtimeInputs, async () => {
      say(`compressing Node ${runtime.version}: about a minute, once per version`);
      return { ...(await makeRuntime(runtime, architecture, cacheDir)), notes: {}, files: new Map() };
    }),
    cachedLayer<SystemNotes>(cacheDir, "system", systemInputs, async () => {
      const debs = await debian.download(chosen);
      return makeSystem({ architecture, debs: chosen.map(({ name }) => debs.get(name)!), runtime, cacheDir, say });
    }),
    makeLayer(own.tree.entries()),
    grub.read(),
  ]);
  const layers = [runtimeLayer, system, ownLayer];
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
    compressor: compressorVersion,
    packages: [...chosen, ...grub.packages].map(({ name, version, sha256 }) => ({ name, version, sha256 })),
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
  { siteKey, version, cacheDir }: BuildOptions,
  architecture: Architecture,
): Promise<{ tree: FileTree; digest: string; koffi: string | undefined }> {
  const tree = new FileTree();
  tree.addFile("init", await readFile(join(import.meta.dirname, "init")), 0o755);
  tree.addFile("etc/bootcast/lease", await readFile(join(import.meta.dirname, "lease")), 0o755);
  tree.addFile("etc/bootcast/site.pub", siteKey);
  tree.addFile("etc/bootcast/version", `${version}\n`);
  tree.addFile("usr/lib/bootcast/agent.cjs", agent);
  const koffi = await addKoffi(tree, "usr/lib/bootcast", architecture, cacheDir);
  const digest = digestOf(tree.entries().map((entry) => [entry.path, entry.type === "file" && sha256(entry.content)]));
  return { tree, digest, koffi };
}

/** What decides which packages there are and where files go, but not what is in the system layer. */
const outside = /^(apt-lists|archive|description|grub-loaders|nbi.*|npm-package|raspberry|write-whole)\.[tj]s$/;

// The code that makes the system layer is one of its inputs.
async function recipeDigest(): Promise<string> {
  const all = await readdir(import.meta.dirname);
  const names = all.filter((name) => /\.[tj]s$/.test(name) && !outside.test(name)).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(import.meta.dirname, name))));
  return digestOf(contents.map(sha256));
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
    why: `A client with 1 GiB of memory can unpack ${formatSize(MOST_UNPACKED_BYTES)}; ${formatSize(MOST_INITRAMFS_BYTES)} are the most to load.`,
    fix: "Take firmware packages out of the apt sources, or shorten scripts/boot-image/recipe.ts.",
  });
}
