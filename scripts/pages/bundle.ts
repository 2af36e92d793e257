import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { PageFile } from "../../server/web/routes.ts";

const pageDirectory = join(import.meta.dirname, "../../server/web/page");

/** The pages, and which files they are made of (paths from the project's folder). */
export type BundledPages = { readonly files: readonly PageFile[]; readonly sources: readonly string[] };

/**
 * Makes the pages of server/web/page: one script, one style sheet, and what leads to them.
 *
 * @throws {Fault} PAGES_UNBUILT
 */
export async function bundlePages(): Promise<BundledPages> {
  try {
    const { build } = await import("esbuild");
    const { outputFiles, metafile } = await build({
      entryPoints: [
        { in: join(pageDirectory, "main.tsx"), out: "page" },
        { in: join(pageDirectory, "style/all.css"), out: "page" },
      ],
      absWorkingDir: join(pageDirectory, "../../.."),
      outdir: "/",
      bundle: true,
      write: false,
      metafile: true,
      minify: true,
      format: "esm",
      target: "es2023",
      jsx: "automatic",
      jsxImportSource: "preact",
      charset: "utf8",
      legalComments: "none",
      logLevel: "silent",
    });
    const built = outputFiles.map(({ path, contents }) => ({ path, content: contents }));
    const asIs = await Promise.all([
      readFile(join(pageDirectory, "index.html")).then((content) => ({ path: "/", content })),
      readFile(join(pageDirectory, "icon.svg")).then((content) => ({ path: "/icon.svg", content })),
    ]);
    return { files: [...asIs, ...built], sources: Object.keys(metafile.inputs) };
  } catch (error) {
    throw new Fault(
      "PAGES_UNBUILT",
      {
        what: "The pages could not be made.",
        why: error instanceof Error ? error.message : String(error),
        fix: "In a development checkout run npm ci. An installed package brings them ready.",
      },
      error,
    );
  }
}
