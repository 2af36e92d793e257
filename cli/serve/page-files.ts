import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type PageFile, pagePaths } from "../../server/web/routes.ts";

/** In an installed package scripts/package has put the pages here; a checkout has none. */
const ready = join(import.meta.dirname, "../../pages");

/** The pages: those that came with the package. In a checkout they are made of their sources. */
export async function pageFiles(): Promise<readonly PageFile[]> {
  try {
    return await Promise.all(
      pagePaths.map(async (path) => ({ path, content: await readFile(join(ready, fileNameOf(path))) })),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return (await (await import("../../scripts/pages/bundle.ts")).bundlePages()).files;
  }
}

/** As what the package keeps it. */
export function fileNameOf(path: string): string {
  return path === "/" ? "index.html" : path.slice(1);
}
