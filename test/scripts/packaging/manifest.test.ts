import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { controlText } from "../../../scripts/packaging/deb-control.ts";
import {
  type PackageLock,
  type PackageManifest,
  productionFolders,
  publishedManifest,
  shrinkwrapOf,
} from "../../../scripts/packaging/manifest.ts";

const root = join(import.meta.dirname, "../../..");
const read = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8"));
const manifest = read("package.json") as PackageManifest;
const lock = read("package-lock.json") as PackageLock;

test("the package pins all that it needs, and nothing of a checkout", () => {
  const pinned = shrinkwrapOf(lock).packages;
  const needed = { ...(manifest["dependencies"] as object), ...(manifest["optionalDependencies"] as object) };
  for (const [name, version] of Object.entries(needed)) {
    assert.equal(pinned[`node_modules/${name}`]?.["version"], version, name);
  }
  for (const name of ["typescript", "esbuild", "@biomejs/biome"])
    assert.equal(pinned[`node_modules/${name}`], undefined);
  assert(Object.values(pinned).every((one) => one.dev !== true && one["resolved"] === undefined));
  assert.equal(pinned[""]?.["devDependencies"], undefined);
  assert.deepEqual(
    Object.keys(publishedManifest(manifest)).filter((name) => /scripts|dev/.test(name)),
    [],
  );
});

test("a .deb has every package that the server needs when it runs", () => {
  const folders = productionFolders(lock);
  assert(folders.includes("node_modules/fastify"));
  assert(folders.includes("node_modules/koffi"));
  assert(!folders.includes("node_modules/typescript"));
});

test("the control file of a .deb has every field that dpkg wants, and no empty line", () => {
  const text = controlText(manifest, "amd64", 1234);
  for (const field of ["Package", "Version", "Architecture", "Maintainer", "Description", "Depends"]) {
    assert.match(text, new RegExp(`^${field}: \\S`, "m"));
  }
  assert.doesNotMatch(text.trimEnd(), /^$/m);
  for (const line of text.split("\n")) assert(line.length < 200, line);
});
