import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { STATE_DIRECTORY } from "./places.ts";

/** What only a data directory of ours has. */
const marks = ["bootcast.db", "keys/site.key", "store/packs", "boot/boot-image.json"];
/** What a server or a command makes there first, or the system on a disk of its own. */
const ownNames = /^(boot|keys|nbi|relay|store|streams|tls|control\.sock|bootcast\..*|\.bootcast-.*|lost\+found)$/;

/**
 * What lies in a directory that is no data directory of ours: "/srv" with the things of others. All of a data directory
 * is given to the server's user, and that would be theirs.
 *
 * @returns their names; none when it is ours, is empty, or cannot be looked into
 */
export function strangersIn(path: string): string[] {
  if (path === STATE_DIRECTORY || marks.some((mark) => existsSync(join(path, mark)))) return [];
  return namesIn(path).filter((name) => !ownNames.test(name));
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
