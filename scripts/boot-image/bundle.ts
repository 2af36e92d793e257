import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import type { BuildOptions, Plugin } from "esbuild";
import { Fault } from "../../fault.ts";
import { type Architecture, hostArchitecture, namesOf } from "./architecture.ts";
import type { FileTree } from "./file-tree.ts";
import { fetchPackage, foreignPackages } from "./npm-package.ts";

const projectDir = join(import.meta.dirname, "..", "..");

/** In an installed package: the agent as scripts/package bundled it. A checkout has none. */
const readyAgent = join(projectDir, "agent.cjs");

/**
 * The agent as one file for `node agent.cjs`: the one that came with the package, which needs no esbuild.
 * In a checkout it is bundled.
 *
 * @throws {Fault} BOOT_IMAGE_AGENT_UNBUILT
 */
export async function agentProgram(): Promise<Uint8Array> {
  try {
    return await readFile(readyAgent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return bundleAgent();
    throw error;
  }
}

/**
 * Bundles agent/main with everything it imports.
 *
 * @throws {Fault} BOOT_IMAGE_AGENT_UNBUILT
 */
export async function bundleAgent(
  entry = join(projectDir, "agent", `main${extname(import.meta.filename)}`),
): Promise<Uint8Array> {
  return bundle(entry, { external: ["koffi"], plugins: [agentThreads] });
}

/**
 * Bundles a program with everything it imports.
 *
 * @throws {Fault} BOOT_IMAGE_AGENT_UNBUILT
 */
export async function bundle(entry: string, more: BundleOptions): Promise<Uint8Array> {
  try {
    return await oneFile(entry, more);
  } catch (error) {
    throw new Fault(
      "BOOT_IMAGE_AGENT_UNBUILT",
      {
        what: `The agent could not be bundled from ${entry}.`,
        why: error instanceof Error ? error.message : String(error),
        fix: "In a development checkout run npm ci. Elsewhere give a ready agent with --agent FILE.",
      },
      error,
    );
  }
}

type BundleOptions = Pick<BuildOptions, "external" | "plugins" | "banner" | "define">;

async function oneFile(entry: string, more: BundleOptions): Promise<Uint8Array> {
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: projectDir,
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "cjs",
    // Stack traces on a client's screen should still say something.
    minifyWhitespace: true,
    keepNames: true,
    legalComments: "none",
    logLevel: "silent",
    ...more,
    // Only the entry runs itself; in a bundle, this file is the program.
    define: {
      "import.meta.main": "true",
      "import.meta.dirname": "__dirname",
      "import.meta.filename": "__filename",
      ...more.define,
    },
  });
  return result.outputFiles[0]!.contents;
}

/** The programs of the agent's threads become texts in its one file: see agent/threads/cell-program, agent/stream/unpack-program. */
export const agentThreads: Plugin = {
  name: "thread-inside",
  setup(build) {
    build.onLoad({ filter: /[\\/](cell|unpack)-program\.[jt]s$/ }, async ({ path }) => {
      const name = basename(path, extname(path)).replace("-program", "");
      const program = await oneFile(join(dirname(path), `${name}-thread${extname(path)}`), {});
      return { contents: `export const ${name}Program = ${JSON.stringify(Buffer.from(program).toString("utf8"))};` };
    });
  },
};

/** The Node that the agent runs with. */
export type Runtime = { readonly path: string; readonly version: string; readonly sha256: string };

/**
 * The pinned Node of package.json, or the one that runs now; for another kind of machine npm's package of it.
 *
 * @throws {Fault} BOOT_IMAGE_NODE_UNFIT, and what `fetchPackage` throws
 */
export async function findRuntime(architecture: Architecture, cacheDir: string): Promise<Runtime> {
  const name = `node-linux-${namesOf[architecture].npm}`;
  let path = process.execPath;
  let version = process.versions.node;
  const installed = await packageFolder(name, cacheDir);
  if (installed !== undefined) {
    version = await versionOf(installed);
    path = join(installed, "bin", "node");
  } else if (process.platform !== "linux" || architecture !== hostArchitecture || Number.parseInt(version, 10) < 24) {
    throw new Fault("BOOT_IMAGE_NODE_UNFIT", {
      what: `There is no Node 24 for ${architecture} Linux to put into the boot image.`,
      why: `The package ${name} is not installed, and this is Node ${version} for ${process.platform} ${process.arch}.`,
      fix: `Run npm ci with optional packages on a Linux machine (${architecture}).`,
    });
  }
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  return { path, version, sha256 };
}

/**
 * Adds the optional package koffi (fast UDP) where the agent's `require("koffi")` finds it.
 * Without it the agent uses node:dgram.
 *
 * @returns its version, or undefined when it is not installed
 */
export async function addKoffi(
  tree: FileTree,
  folder: string,
  architecture: Architecture,
  cacheDir: string,
): Promise<string | undefined> {
  const { npm } = namesOf[architecture];
  const main = await packageFolder("koffi", cacheDir);
  if (main === undefined) return undefined;
  const native = await packageFolder(`@koromix/koffi-linux-${npm}`, cacheDir, join(main, "index.cjs"));
  if (native === undefined) return undefined;
  const copy = async (from: string, name: string, files: readonly string[]): Promise<void> => {
    for (const file of files) tree.addFile(`${folder}/node_modules/${name}/${file}`, await readFile(join(from, file)));
  };
  await copy(main, "koffi", ["package.json", "index.cjs", "src/koffi/index.cjs", "src/koffi/src/static.cjs"]);
  await copy(native, `@koromix/koffi-linux-${npm}`, ["package.json", "index.js", `linux_${npm}/koffi.node`]);
  return versionOf(main);
}

/** Where an npm package lies: installed here, or fetched because npm installs only what this machine can run. */
async function packageFolder(name: string, cacheDir: string, from = import.meta.filename): Promise<string | undefined> {
  // Not by its package.json: a package may keep that to itself. Where it would lie is known without asking for a file.
  for (const folder of createRequire(from).resolve.paths(name) ?? []) {
    if (await readFile(join(folder, name, "package.json")).catch(() => undefined)) return join(folder, name);
  }
  const foreign = Object.values(foreignPackages).find((pinned) => pinned.name === name);
  return foreign === undefined ? undefined : fetchPackage(foreign, cacheDir);
}

async function versionOf(folder: string): Promise<string> {
  return (JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }).version;
}
