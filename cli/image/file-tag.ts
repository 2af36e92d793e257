import { statSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { basename, extname } from "node:path";
import { type ImageTag, isImageName } from "../../images/manifest.ts";

/** The tag of a disk image that is no image of the store: named like its file, and dated. */
export function tagOfFile(path: string, notes = ""): ImageTag {
  return {
    name: nameOfFile(path),
    version: 1,
    builder: `${userInfo().username}@${hostname()}`,
    createdAtMs: Math.floor(statSync(path).mtimeMs),
    notes,
  };
}

/** A path's last part, without its ending, as the name of an image. */
export function nameOfFile(path: string): string {
  const stem = basename(path, extname(path))
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64);
  return isImageName(stem) ? stem : "disk";
}
