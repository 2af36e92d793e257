import { join } from "node:path";
import type { Command } from "commander";
import { StoreKeyFile } from "../../server/store/key-file.ts";
import { loadSiteKey, readSitePublicKey, type SiteKey, type SitePublicKey } from "../../server/store/keys.ts";
import { type ImageStore, openStore, readStore } from "../../server/store/store.ts";
import { configOf } from "../settings/read-configuration.ts";

/** What a command does with the store. For packs the key of a sealed store must be there, before anything else is begun. */
export type StoreNeed = "packs" | "manifests";

/**
 * To make images: the store of the data directory that the running command works on, and the site's key. Both are made when missing.
 *
 * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG, STORE_NOT_SEALED
 */
export async function openImageStore(
  command: Command,
  need: StoreNeed,
): Promise<{ store: ImageStore; siteKey: SiteKey }> {
  const { dataDir, values } = configOf(command);
  const siteKey = await loadSiteKey(dataDir);
  if (need === "manifests") return { store: await openStore(join(dataDir, "store"), siteKey.trusted), siteKey };
  const keys = storeKeyFile(dataDir, values["images.store_key"]);
  const store = await openStore(join(dataDir, "store"), siteKey.trusted, { keys });
  await store.sealer.require("write");
  return { store, siteKey };
}

/**
 * To read images: the same store, with the key that checks them. Nothing is made.
 *
 * @throws {Fault} SITE_KEY_ABSENT, STORE_KEY_MISSING, STORE_KEY_WRONG
 */
export async function readImageStore(
  command: Command,
  need: StoreNeed,
): Promise<{ store: ImageStore; siteKey: SitePublicKey }> {
  const { dataDir, values } = configOf(command);
  const siteKey = await readSitePublicKey(dataDir);
  const keys = storeKeyFile(dataDir, values["images.store_key"]);
  const store = readStore(join(dataDir, "store"), siteKey.trusted, { keys });
  if (need === "packs") await store.sealer.require("read");
  return { store, siteKey };
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

/**
 * The keys of the store of a data directory.
 *
 * @param path undefined when none was given
 * @throws {Fault} STORE_KEY_PLACE
 */
export function storeKeyFile(dataDir: string, path: string | undefined): StoreKeyFile | undefined {
  return path === undefined ? undefined : new StoreKeyFile(path, join(dataDir, "store"));
}
