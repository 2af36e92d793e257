import { join } from "node:path";

/** Where the server of a data directory has its local API: a UNIX socket. */
export function controlSocketOf(dataDir: string): string {
  return join(dataDir, "control.sock");
}
