import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import { isImageName } from "../../images/manifest.ts";
import { badName, missingImage } from "./faults.ts";
import { isMissing, readdirOrNone } from "./files.ts";
import { guardStore } from "./guard.ts";
import type { ImageStore, ImageVersion } from "./store.ts";

// What is said of an image version after it was signed. None of it is signed: it leads people and commands to a
// version, and what a machine writes is checked against the manifest that it leads to.

const MOST_NOTE_CHARACTERS = 4096;

export type Alias = ImageVersion & { readonly alias: string };

/** When all packs of a version were last read and checked, and how many were bad. */
export type Verified = { readonly atMs: number; readonly badPacks: number };

/** All aliases, by name. */
export async function listAliases(store: ImageStore): Promise<Alias[]> {
  const aliases: Alias[] = [];
  for (const alias of (await readdirOrNone(join(store.directory, "refs"))).filter(isImageName).sort()) {
    const image = await store.aliasOf(alias);
    if (image !== undefined) aliases.push({ alias, ...image });
  }
  return aliases;
}

/**
 * Gives an image version another name besides, or gives that name to another version.
 *
 * @throws {Fault} IMAGE_NAME when an image has it already, IMAGE_MISSING, STORE_BUSY, STORE_FULL
 */
export async function setAlias(store: ImageStore, alias: string, image: ImageVersion): Promise<void> {
  if (!isImageName(alias)) throw badName(alias);
  using _ = await guardStore(store.directory);
  await requireVersion(store, image);
  if ((await store.versions(alias)).length > 0) throw nameOfImage(alias);
  await store.publish(join(store.directory, "refs", alias), Buffer.from(`${image.name}:${image.version}\n`), "replace");
  await store.syncNames();
}

/** @throws {Fault} ALIAS_MISSING, STORE_BUSY */
export async function removeAlias(store: ImageStore, alias: string): Promise<void> {
  if (!isImageName(alias)) throw badName(alias);
  using _ = await guardStore(store.directory);
  const path = join(store.directory, "refs", alias);
  try {
    await store.disk.unlink(path);
  } catch (error) {
    if (isMissing(error)) throw missingAlias(alias, await listAliases(store));
    throw error;
  }
  await store.disk.syncDirectory(dirname(path));
}

/** Says something else of an image version than the notes it was signed with; an empty text says nothing. */
export async function setNotes(store: ImageStore, image: ImageVersion, notes: string): Promise<void> {
  if (notes.length > MOST_NOTE_CHARACTERS) throw notesTooLong(notes.length);
  using _ = await guardStore(store.directory);
  await requireVersion(store, image);
  await store.publish(labelPath(store, image, "notes"), Buffer.from(notes), "replace");
  await store.syncNames();
}

/** The notes that were given later; undefined when none were. */
export async function readNotes(store: ImageStore, image: ImageVersion): Promise<string | undefined> {
  return readLabel(store, image, "notes");
}

/** Keeps that all packs of a version were checked. */
export async function setVerified(store: ImageStore, image: ImageVersion, verified: Verified): Promise<void> {
  await store.publish(labelPath(store, image, "verified"), Buffer.from(JSON.stringify(verified)), "replace");
}

export async function readVerified(store: ImageStore, image: ImageVersion): Promise<Verified | undefined> {
  const text = await readLabel(store, image, "verified");
  const [, atMs, badPacks] = /^\{"atMs":(\d+),"badPacks":(\d+)\}$/.exec(text ?? "") ?? [];
  return atMs === undefined ? undefined : { atMs: Number(atMs), badPacks: Number(badPacks) };
}

function labelPath(store: ImageStore, { name, version }: ImageVersion, kind: "notes" | "verified"): string {
  return join(dirname(store.manifestPath(name, version)), `${version}.${kind}`);
}

async function readLabel(store: ImageStore, image: ImageVersion, kind: "notes" | "verified") {
  try {
    return await readFile(labelPath(store, image, kind), "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function requireVersion(store: ImageStore, { name, version }: ImageVersion): Promise<void> {
  if ((await store.versions(name)).includes(version)) return;
  throw missingImage(name, version, await store.names());
}

function nameOfImage(alias: string): Fault {
  return new Fault("IMAGE_NAME", {
    what: `"${alias}" cannot be an alias.`,
    why: "An image has this name.",
    fix: "Choose another alias.",
  });
}

function missingAlias(alias: string, aliases: readonly Alias[]): Fault {
  return new Fault("ALIAS_MISSING", {
    what: `There is no alias "${alias}".`,
    why: aliases.length === 0 ? "The store has none." : `There are: ${aliases.map((known) => known.alias).join(", ")}.`,
    fix: '"bootcast image list" shows them.',
  });
}

function notesTooLong(length: number): Fault {
  return new Fault("USAGE", {
    what: `The notes have ${length} characters.`,
    why: `Every list of images shows them; ${MOST_NOTE_CHARACTERS} are the most.`,
    fix: "Write less, and keep the rest elsewhere.",
  });
}
