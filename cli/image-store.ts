import { join } from "node:path";
import type { Command } from "commander";
import { loadSiteKey, type SiteKey } from "../server/keys.ts";
import { type ImageStore, openStore } from "../server/store.ts";
import { configOf } from "./configuration.ts";

/** The image store of the data directory that the running command works on, and the site's key. */
export async function openImageStore(command: Command): Promise<{ store: ImageStore; siteKey: SiteKey }> {
  const { dataDir } = configOf(command);
  const siteKey = await loadSiteKey(dataDir);
  return { store: await openStore(join(dataDir, "store"), [siteKey.publicKey]), siteKey };
}
