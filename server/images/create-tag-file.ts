import { lstat, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

/** What the tag file of an image tells. */
export type ImageTagText = {
  readonly name: string;
  readonly source: string;
  readonly builder: string;
  readonly createdAtMs: number;
  readonly notes: string;
};

export const TAG_FILE_NAME = "bootcast-image.txt";
/** The first that is there has it: Mac OS X' own, and where its /var leads to. */
export const TAG_FILE_FOLDERS = ["Library/Logs", "private/var/log", "var/log"] as const;

/**
 * Writes the image's tag file into its log folder: Library/Logs, where there is
 * one (Mac OS X), else var/log.
 *
 * @returns its path below `root`; undefined when there is no such folder, as in one that holds no system
 */
export async function writeTagFile(root: string, tag: ImageTagText): Promise<string | undefined> {
  for (const folder of TAG_FILE_FOLDERS) {
    if (!(await isRealFolder(root, folder.split("/")))) continue;
    const path = join(folder, TAG_FILE_NAME);
    // A link there would lead out of the copy.
    await rm(join(root, path), { recursive: true, force: true });
    await writeFile(join(root, path), tagFileText(tag), { flag: "wx", mode: 0o644 });
    return path;
  }
  return undefined;
}

export function tagFileText({ name, source, builder, createdAtMs, notes }: ImageTagText): string {
  const lines = [
    `Image:  ${name}`,
    `Made:   ${new Date(createdAtMs).toISOString()}`,
    `By:     ${builder} on ${hostname()}`,
    `From:   ${source}`,
    ...(notes === "" ? [] : [`Notes:  ${notes}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** No part of it is a link: links in a copied system are absolute, and would lead into this one. */
async function isRealFolder(root: string, parts: readonly string[]): Promise<boolean> {
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const found = await lstat(join(root, ...parts.slice(0, depth))).catch(() => undefined);
    if (found?.isDirectory() !== true) return false;
  }
  return true;
}
