import { symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { bundleAgent } from "../../scripts/boot-image/bundle.ts";

const root = join(import.meta.dirname, "../..");

/** Makes our host's program, one file as the agent is: `path`, in a folder of its own. */
export async function bundleHost(path: string): Promise<void> {
  writeFileSync(path, await bundleAgent(join(import.meta.dirname, "multicast-host.ts")));
  symlinkSync(join(root, "node_modules"), join(dirname(path), "node_modules"));
}

/**
 * Makes our sender's program, compiled as the package is: what Node needs to read types would count as its memory.
 *
 * @param folder of its own
 * @returns its path
 */
export async function bundleSender(folder: string): Promise<string> {
  await build({
    entryPoints: {
      sender: join(import.meta.dirname, "multicast-process.ts"),
      "send-thread": join(root, "server/stream/send-thread.ts"),
      "image-thread": join(root, "server/images/image-thread.ts"),
    },
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    target: "node24",
    format: "esm",
    outdir: folder,
    logLevel: "silent",
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return join(folder, "sender.js");
}
