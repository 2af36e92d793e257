import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import { missingImage } from "./faults.ts";
import { isMissing } from "./files.ts";
import { guardStore } from "./guard.ts";
import { listAliases } from "./labels.ts";
import type { ImageStore, ImageVersion } from "./store.ts";

/**
 * Takes image versions out of the store; their packs go with `sweepStore`. Each version is there as a whole or gone,
 * whenever this is interrupted.
 *
 * The newest number that an image had stays taken: another disk under a name and number that people and reports have
 * seen already would be a different thing with the same name.
 *
 * @throws {Fault} IMAGE_MISSING, IMAGE_ALIASED, STORE_BUSY, STORE_FULL
 */
export async function removeVersions(store: ImageStore, images: readonly ImageVersion[]): Promise<void> {
  using _ = await guardStore(store.directory);
  const aliases = await listAliases(store);
  for (const { name, version } of images) {
    if (!(await store.versions(name)).includes(version)) throw missingImage(name, version, await store.names());
    const alias = aliases.find((other) => other.name === name && other.version === version);
    if (alias !== undefined) throw aliased(name, version, alias.alias);
  }
  for (const { name, version } of images) {
    const path = store.manifestPath(name, version);
    const directory = dirname(path);
    const tombs = (await readdir(directory)).filter((file) => /^[1-9][0-9]*\.removed$/.test(file));
    const isNewest = (await store.versions(name)).at(-1) === version;
    const isCovered = tombs.some((file) => Number.parseInt(file, 10) >= version);
    if (isNewest && !isCovered) {
      await store.publish(join(directory, `${version}.removed`), new Uint8Array(), "replace");
      await store.syncNames();
    }
    await store.disk.unlink(path);
    // A manifest that came back after a power cut would name packs that are gone.
    await store.disk.syncDirectory(directory);
    for (const kind of ["notes", "verified"]) {
      await store.disk.unlink(join(directory, `${version}.${kind}`)).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    }
  }
}

function aliased(name: string, version: number, alias: string): Fault {
  return new Fault("IMAGE_ALIASED", {
    what: `${name}:${version} was not removed.`,
    why: `The alias "${alias}" stands for it.`,
    fix: `Give the alias to another version ("bootcast image tag IMAGE --alias ${alias}"), or take it away ("bootcast image tag ${name}:${version} --remove-alias ${alias}").`,
  });
}
