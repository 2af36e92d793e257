/**
 * Puts what goes into the npm package beside the compiled JavaScript in FOLDER/dist: `node scripts/packaging/stage.ts
 * FOLDER`. The agent, the program of a stick and the pages are bundled here, and the help is made: an installed package
 * has neither esbuild nor a reader of Markdown.
 */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileNameOf } from "../../cli/serve/page-files.ts";
import { bundleAgent } from "../boot-image/bundle.ts";
import { bundleLocalPrograms } from "../boot-image/stick/program.ts";
import { renderHelp } from "../help/render.ts";
import { bundlePages } from "../pages/bundle.ts";
import { type PackageLock, type PackageManifest, publishedManifest, shrinkwrapOf } from "./manifest.ts";

const root = join(import.meta.dirname, "../..");

/** What is taken as it is: read by the server at run time. */
const asTheyAre = [
  ...["init", "lease", "network", "packages.txt"].map((name) => `scripts/boot-image/${name}`),
  "scripts/boot-image/stick/local",
];

async function stage(folder: string): Promise<void> {
  const dist = join(folder, "dist");
  for (const path of asTheyAre) await cp(join(root, path), join(dist, path));
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE"]) await cp(join(root, name), join(folder, name));
  await write(join(folder, "cli/bootcast.cjs"), await readFile(join(root, "cli/bootcast.cjs")), 0o755);
  await write(join(dist, "agent.cjs"), await bundleAgent());
  const { local, imageThread } = await bundleLocalPrograms();
  await write(join(dist, "local.cjs"), local);
  await write(join(dist, "image-thread.cjs"), imageThread);
  for (const { path, content } of await renderHelp()) await write(join(dist, "help", path), content);
  for (const { path, content } of (await bundlePages()).files) {
    await write(join(dist, "pages", fileNameOf(path)), content);
  }
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as PackageManifest;
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as PackageLock;
  await write(join(folder, "package.json"), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`);
  await write(join(folder, "npm-shrinkwrap.json"), `${JSON.stringify(shrinkwrapOf(lock), null, 2)}\n`);
}

async function write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode });
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("Usage: stage.ts FOLDER");
await stage(folder);
