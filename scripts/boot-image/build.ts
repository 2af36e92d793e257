import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatSize } from "../../agent/sizes.ts";
import { Fault } from "../../fault.ts";
import { addKoffi, agentProgram, findRuntime } from "./bundle.ts";
import { Debian } from "./debian.ts";
import { FileTree } from "./file-tree.ts";
import { cachedLayer, compressorVersion, digestOf, makeLayer } from "./layers.ts";
import { firmwarePackages, followedDependency, packages } from "./recipe.ts";
import { run } from "./run.ts";
import { makeRuntime, makeSystem, type SystemNotes } from "./system.ts";

/** What `boot-image.json` says about the files beside it. It holds no date: same inputs, same bytes. */
export type BootImage = {
  readonly format: 1;
  /** SHA-256 over everything the image was made from. */
  readonly inputs: string;
  readonly bootcast: string;
  readonly kernel: string;
  readonly node: string;
  /** Absent when the agent has only node:dgram. */
  readonly koffi?: string;
  readonly compressor: string;
  readonly packages: readonly { readonly name: string; readonly version: string; readonly sha256: string }[];
  /** Modules of the recipe that this kernel does not have. */
  readonly absentModules: readonly string[];
  /** SHA-256 of the agent's file and of the trusted public keys. */
  readonly agent: string;
  readonly siteKey: string;
  /** Memory that the unpacked initramfs occupies on a client. */
  readonly unpackedBytes: number;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number; readonly sha256: string }[];
};

export type BuildOptions = {
  /** Where the result goes: vmlinuz, initramfs.img, loaders, boot-image.json. */
  readonly outputDir: string;
  /** Packages, unpacked layers: kept between builds, safe to delete. */
  readonly cacheDir: string;
  /** The agent as one ready CommonJS file; without it the package's own is taken, or agent/main.ts is bundled. */
  readonly agentFile?: string | undefined;
  /** Public keys that the agent trusts, SPKI PEM, one or more. */
  readonly siteKey: string;
  readonly version: string;
  /** One line per step. */
  readonly say: (text: string) => void;
};

const DESCRIPTION_FILE = "boot-image.json";
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
  const { cacheDir, outputDir, say } = options;
  const debian = new Debian(cacheDir, say);
  const chosen = await debian.resolve(packages, firmwarePackages, followedDependency);
  const runtime = await findRuntime();
  const strip = (await run("strip", ["--version"])).toString("utf8").split("\n")[0];
  const agent = options.agentFile === undefined ? await agentProgram() : await readFile(options.agentFile);
  const own = await ownFiles(agent, options);
  const recipe = await recipeDigest();
  const runtimeInputs = { runtime: runtime.sha256, strip };
  const systemInputs = { recipe, runtime: runtime.sha256, packages: chosen.map(({ name, sha256 }) => [name, sha256]) };
  const inputs = digestOf([runtimeInputs, systemInputs, own.digest, compressorVersion]);

  const there = await readBootImage(outputDir).catch(() => undefined);
  if (there?.inputs === inputs && (await isWhole(outputDir, there))) return { ...there, isUnchanged: true };

  // zstd works outside of this thread: both layers are compressed at the same time.
  const [runtimeLayer, system, ownLayer] = await Promise.all([
    cachedLayer(cacheDir, "runtime", runtimeInputs, async () => {
      say(`compressing Node ${runtime.version}: about a minute, once per version`);
      return { ...(await makeRuntime(runtime, cacheDir)), notes: {}, files: new Map() };
    }),
    cachedLayer<SystemNotes>(cacheDir, "system", systemInputs, async () => {
      const debs = await debian.download(chosen);
      return makeSystem({ debs: chosen.map(({ name }) => debs.get(name)!), runtime, cacheDir, say });
    }),
    makeLayer(own.tree.entries()),
  ]);
  const layers = [runtimeLayer, system, ownLayer];
  const files = new Map<string, Uint8Array>([
    ["vmlinuz", system.files.get("vmlinuz")!],
    ["initramfs.img", Buffer.concat(layers.map(({ compressed }) => compressed))],
    ...Object.entries(system.notes.loaders).map(([name, file]) => [name, system.files.get(file)!] as const),
  ]);
  const image: BootImage = {
    format: 1,
    inputs,
    bootcast: options.version,
    kernel: system.notes.kernel,
    node: runtime.version,
    ...(own.koffi === undefined ? {} : { koffi: own.koffi }),
    compressor: compressorVersion,
    packages: chosen.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    absentModules: system.notes.absentModules,
    agent: sha256(agent),
    siteKey: sha256(Buffer.from(options.siteKey)),
    unpackedBytes: layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0),
    files: [...files].map(([name, content]) => ({ name, sizeBytes: content.length, sha256: sha256(content) })),
  };
  checkSizes(image);
  say(`writing ${outputDir}`);
  for (const [name, content] of files) await writeWhole(join(outputDir, name), content);
  // Last: whoever finds it finds the files it describes.
  await writeWhole(join(outputDir, DESCRIPTION_FILE), Buffer.from(`${JSON.stringify(image, null, 2)}\n`));
  await prune(cacheDir);
  return { ...image, isUnchanged: false };
}

/**
 * Reads the description of the boot image in a folder.
 *
 * @throws {Fault} BOOT_IMAGE_ABSENT
 */
export async function readBootImage(directory: string): Promise<BootImage> {
  try {
    return JSON.parse(await readFile(join(directory, DESCRIPTION_FILE), "utf8")) as BootImage;
  } catch (error) {
    throw new Fault(
      "BOOT_IMAGE_ABSENT",
      {
        what: `There is no boot image in ${directory}.`,
        why: `${DESCRIPTION_FILE} cannot be read there: ${error instanceof Error ? error.message : String(error)}`,
        fix: "Run: bootcast boot-image build",
      },
      error,
    );
  }
}

/** What is ours in the image: /init and its helper, the agent, koffi, the keys it trusts. */
async function ownFiles(
  agent: Uint8Array,
  { siteKey, version }: { readonly siteKey: string; readonly version: string },
): Promise<{ tree: FileTree; digest: string; koffi: string | undefined }> {
  const tree = new FileTree();
  tree.addFile("init", await readFile(join(import.meta.dirname, "init")), 0o755);
  tree.addFile("etc/bootcast/lease", await readFile(join(import.meta.dirname, "lease")), 0o755);
  tree.addFile("etc/bootcast/site.pub", siteKey);
  tree.addFile("etc/bootcast/version", `${version}\n`);
  tree.addFile("usr/lib/bootcast/agent.cjs", agent);
  const koffi = await addKoffi(tree, "usr/lib/bootcast");
  const digest = digestOf(tree.entries().map((entry) => [entry.path, entry.type === "file" && sha256(entry.content)]));
  return { tree, digest, koffi };
}

// The code that makes the system layer is one of its inputs.
async function recipeDigest(): Promise<string> {
  const names = (await readdir(import.meta.dirname)).filter((name) => /\.[tj]s$/.test(name)).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(import.meta.dirname, name))));
  return digestOf(contents.map(sha256));
}

async function isWhole(directory: string, image: BootImage): Promise<boolean> {
  for (const { name, sha256: wanted } of image.files) {
    const content = await readFile(join(directory, name)).catch(() => undefined);
    if (content === undefined || sha256(content) !== wanted) return false;
  }
  return true;
}

async function writeWhole(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString("hex")}.part`;
  try {
    await writeFile(draft, content);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes packages and layers that no build has used for a month, and what a killed build left behind. */
async function prune(cacheDir: string): Promise<void> {
  const oldest = Date.now() - CACHE_KEPT_DAYS * 24 * 3600_000;
  for (const folder of [join(cacheDir, "packages"), join(cacheDir, "layers"), cacheDir]) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (folder === cacheDir && !/^(unpacked|stripped)-/.test(name)) continue;
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

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
