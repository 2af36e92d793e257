import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { HelpFile } from "../../server/api/help-routes.ts";

/** In an installed package scripts/package has put the pages here; a checkout has none. */
const ready = join(import.meta.dirname, "../../help");
const printer = join(import.meta.dirname, "../../scripts/help/print.ts");
const PRINT = { timeout: 60_000, maxBuffer: 32 * 1024 * 1024 };

/** The pages of `/help`: those that came with the package. In a checkout they are made of its documents. */
export async function helpFiles(): Promise<readonly HelpFile[]> {
  const names = await readdir(ready, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (names === undefined) {
    const { stdout } = await promisify(execFile)(process.execPath, [printer], PRINT);
    const files = JSON.parse(stdout) as { path: string; base64: string }[];
    return files.map(({ path, base64 }) => ({ path, content: Buffer.from(base64, "base64") }));
  }
  return Promise.all(
    names
      .filter((entry) => entry.isFile())
      .map(async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        return { path: path.slice(ready.length + 1), content: await readFile(path) };
      }),
  );
}
