import { Fault } from "../../fault.ts";
import { encodeManifest } from "../../images/manifest-codec.ts";
import type { SiteKey } from "./keys.ts";
import { listAliases, readNotes, setAlias, setNotes } from "./labels.ts";
import { removeVersions } from "./remove.ts";
import type { ImageStore } from "./store.ts";

/**
 * Gives image versions a new name. The name is part of what was signed, so each becomes a new manifest over the same
 * packs: it is made first, then aliases move, then the old one goes. When this is interrupted both may be there, and
 * none is missing.
 *
 * @throws {Fault} IMAGE_NAME, IMAGE_MISSING, IMAGE_BUSY, STORE_BUSY, STORE_FULL
 */
export async function renameImage(
  store: ImageStore,
  siteKey: SiteKey,
  what: { readonly name: string; readonly versions: readonly number[]; readonly newName: string },
): Promise<{ readonly from: string; readonly to: string }[]> {
  const { name, versions, newName } = what;
  if (name === newName) throw sameName(name);
  const renamed: { from: string; to: string }[] = [];
  for (const version of versions) {
    const { manifest } = await store.readManifest(name, version);
    const reserved = await store.reserveVersion(newName);
    try {
      const tag = { ...manifest.tag, name: newName, version: reserved.version };
      await store.writeManifest(encodeManifest({ ...manifest, tag }, siteKey.privateKey));
      const notes = await readNotes(store, { name, version });
      if (notes !== undefined) await setNotes(store, tag, notes);
      for (const alias of await listAliases(store))
        if (alias.name === name && alias.version === version) await setAlias(store, alias.alias, tag);
      await removeVersions(store, [{ name, version }]);
      renamed.push({ from: `${name}:${version}`, to: `${newName}:${reserved.version}` });
    } finally {
      await reserved.release();
    }
  }
  return renamed;
}

function sameName(name: string): Fault {
  return new Fault("IMAGE_NAME", {
    what: `"${name}" has this name already.`,
    why: "The new name is the old one.",
    fix: "Choose another name.",
  });
}
