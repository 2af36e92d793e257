import { homedir } from "node:os";
import { join } from "node:path";

/** Where what was downloaded for boot images is kept for the next time. */
export function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast", "boot-image");
}
