import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file of a folder that a build made, as its description lists it. */
export type ListedFile = { readonly name: string; readonly sizeBytes: number; readonly sha256: string };

/** Lists files by name ► content. */
export function listed(files: ReadonlyMap<string, Uint8Array>): ListedFile[] {
  return [...files].map(([name, content]) => ({ name, sizeBytes: content.length, sha256: sha256(content) }));
}

/** Writes every file, and the description last: whoever finds it finds the files that it describes. */
export async function writeFolder(
  directory: string,
  files: ReadonlyMap<string, Uint8Array>,
  description: { readonly name: string; readonly value: unknown },
): Promise<void> {
  for (const [name, content] of files) await writeWhole(join(directory, name), content);
  await writeWhole(join(directory, description.name), Buffer.from(`${JSON.stringify(description.value, null, 2)}\n`));
}

/** Whether a folder still holds every file as it is listed. */
export async function isWhole(directory: string, files: readonly ListedFile[]): Promise<boolean> {
  for (const { name, sha256: wanted } of files) {
    const content = await readFile(join(directory, name)).catch(() => undefined);
    if (content === undefined || sha256(content) !== wanted) return false;
  }
  return true;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function writeWhole(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString("hex")}.part`;
  try {
    await writeFile(draft, content);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
