import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { type Architecture, namesOf } from "../architecture.ts";
import { agentThreads, bundle } from "../bundle.ts";
import { FileTree } from "../file-tree.ts";
import { makeLayer } from "../layers.ts";

const projectDir = join(import.meta.dirname, "..", "..", "..");
const FOLDER = "usr/lib/bootcast";
/** Packages with machine code or WebAssembly, which are files beside the program. */
const nativePackages = ["lzma-native", "@foxglove/wasm-bz2"];
/** Of a package what it needs to run. */
const runFile = /\.(c?js|json|wasm)$/;
const needlessFolder = /(^|\/)(deps|src|test|tests|docs|node_modules)\//;

/** The two programs of a stick: what a person works with, and that of the threads that compute. */
export type LocalPrograms = { readonly local: Uint8Array; readonly imageThread: Uint8Array };

/** In an installed package: as scripts/package bundled them. A checkout has none. */
const readyFiles = { local: join(projectDir, "local.cjs"), imageThread: join(projectDir, "image-thread.cjs") };

/** The programs that came with the package, which need no esbuild; in a checkout they are bundled. */
export async function localPrograms(): Promise<LocalPrograms> {
  try {
    return { local: await readFile(readyFiles.local), imageThread: await readFile(readyFiles.imageThread) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return bundleLocalPrograms();
    throw error;
  }
}

/** @throws {Fault} BOOT_IMAGE_AGENT_UNBUILT */
export async function bundleLocalPrograms(): Promise<LocalPrograms> {
  const ending = extname(import.meta.filename);
  const options = {
    external: ["koffi", ...nativePackages],
    plugins: [agentThreads],
    // Files beside the program are found by its own address.
    banner: { js: 'const ownUrl=require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "ownUrl" },
  };
  const local = await bundle(join(projectDir, "cli", `local-main${ending}`), options);
  const imageThread = await bundle(join(projectDir, "server", "images", `image-thread${ending}`), options);
  return { local, imageThread };
}

/**
 * What a stick's initramfs has besides the boot image's: the program, and what it needs beside it. The kernel unpacks it
 * over the boot image's own.
 */
export async function localLayer(architecture: Architecture, version: string): Promise<Uint8Array> {
  const { local, imageThread } = await localPrograms();
  const tree = new FileTree();
  tree.addFile("etc/bootcast/local", await readFile(join(import.meta.dirname, "local")), 0o755);
  tree.addFile(`${FOLDER}/local.cjs`, local);
  tree.addFile(`${FOLDER}/image-thread.js`, imageThread);
  // Where the program looks for its own version.
  tree.addFile("usr/lib/package.json", `${JSON.stringify({ name: "bootcast", version })}\n`);
  const added = new Set<string>();
  for (const name of nativePackages) await addPackage(tree, name, import.meta.filename, architecture, added);
  return (await makeLayer(tree.entries())).compressed;
}

async function addPackage(
  tree: FileTree,
  name: string,
  from: string,
  architecture: Architecture,
  added: Set<string>,
): Promise<void> {
  if (added.has(name)) return;
  added.add(name);
  const folder = await packageFolder(name, from);
  for (const file of await readdir(folder, { recursive: true })) {
    const isOwnPrebuild = file.startsWith(`prebuilds/linux-${namesOf[architecture].npm}/node.`);
    if (!isOwnPrebuild && (!runFile.test(file) || needlessFolder.test(file))) continue;
    tree.addFile(`${FOLDER}/node_modules/${name}/${file}`, await readFile(join(folder, file)));
  }
  const { dependencies = {} } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  for (const next of Object.keys(dependencies))
    await addPackage(tree, next, join(folder, "package.json"), architecture, added);
}

async function packageFolder(name: string, from: string): Promise<string> {
  // With a slash, because some have the name of a module of Node.
  for (const folder of createRequire(from).resolve.paths(`${name}/`) ?? []) {
    if (await readFile(join(folder, name, "package.json")).catch(() => undefined)) return join(folder, name);
  }
  throw new Error(`The package ${name} is not installed.`);
}
