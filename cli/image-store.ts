import { join } from "node:path";
import type { Command } from "commander";
import { loadSiteKey, readSitePublicKey, type SiteKey, type SitePublicKey } from "../server/keys.ts";
import { type ImageStore, openStore, readStore } from "../server/store.ts";
import { configOf } from "./configuration.ts";

/** To make images: the store of the data directory that the running command works on, and the site's key. Both are made when missing. */
export async function openImageStore(command: Command): Promise<{ store: ImageStore; siteKey: SiteKey }> {
  const { dataDir } = configOf(command);
  const siteKey = await loadSiteKey(dataDir);
  return { store: await openStore(join(dataDir, "store"), siteKey.trusted), siteKey };
}

/**
 * To read images: the same store, with the key that checks them. Nothing is made.
 *
 * @throws {Fault} SITE_KEY_ABSENT
 */
export async function readImageStore(command: Command): Promise<{ store: ImageStore; siteKey: SitePublicKey }> {
  const { dataDir } = configOf(command);
  const siteKey = await readSitePublicKey(dataDir);
  return { store: readStore(join(dataDir, "store"), siteKey.trusted), siteKey };
}

/**
 * To take images away: the same store, to be changed without the private key.
 *
 * @throws {Fault} SITE_KEY_ABSENT
 */
export async function writableImageStore(command: Command): Promise<ImageStore> {
  const { dataDir } = configOf(command);
  const { trusted } = await readSitePublicKey(dataDir);
  return openStore(join(dataDir, "store"), trusted);
}

/** To list images: their signatures are not checked, so no key is needed. */
export function imageStoreForList(command: Command): ImageStore {
  return readStore(join(configOf(command).dataDir, "store"), []);
}
