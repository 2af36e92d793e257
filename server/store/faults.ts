import { Fault } from "../../fault.ts";

// What goes wrong with a store, in words. The code says which; `store.ts` says when.

export function badName(name: string): Fault {
  return new Fault("IMAGE_NAME", {
    what: `"${name}" cannot be the name of an image.`,
    why: "A name has at most 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit.",
    fix: 'Choose another name, for example "lab-debian".',
  });
}

export function missingImage(name: string, version: number | undefined, names: readonly string[]): Fault {
  const wanted = version === undefined ? `no image "${name}"` : `no version ${version} of the image "${name}"`;
  return new Fault("IMAGE_MISSING", {
    what: `There is ${wanted}.`,
    why: names.length === 0 ? "The store has no images yet." : `The store has: ${names.join(", ")}.`,
    fix: 'See "bootcast image list", or make it with "bootcast image import FILE --name NAME".',
  });
}

export function unreadable(name: string, version: number, cause: unknown): Fault {
  return new Fault(
    "MANIFEST_UNREADABLE",
    {
      what: `The manifest of ${name}:${version} cannot be read.`,
      why: cause instanceof Error ? cause.message : String(cause),
      fix: "Check the disk of the store and the owner of its files, or put the manifest back from a backup.",
    },
    cause,
  );
}

export function missingPack(digest: string, cause: unknown): Fault {
  return new Fault(
    "PACK_MISSING",
    {
      what: `Pack ${digest} is not in the store.`,
      why: "It was removed, or the store was not copied as a whole.",
      fix: 'See what else is missing with "bootcast image verify NAME", and import the image again.',
    },
    cause,
  );
}

export function versionExists(path: string, cause: unknown): Fault {
  return new Fault(
    "IMAGE_EXISTS",
    {
      what: `${path} exists already.`,
      why: "Another import of the same image was faster. An image version never changes.",
      fix: "Import again: it becomes the next version.",
    },
    cause,
  );
}

export function diskFull(directory: string, cause: unknown): Fault {
  return new Fault(
    "STORE_FULL",
    {
      what: `The disk of the image store ${directory} is full.`,
      why: "The packs of the image did not fit. What was there before is untouched.",
      fix: "Make room, or give another --data-dir, and import again: packs that were written already are used.",
    },
    cause,
  );
}

export function packsGone(count: number): Fault {
  return new Fault("PACKS_GONE", {
    what: `The image was not published: ${count} of its packs are not in the store any more.`,
    why: "They belonged to an image that was removed while this one was made.",
    fix: "Import or capture it again: what is there is used, the rest is made anew.",
  });
}

export function nameOfAlias(name: string, alias: { name: string; version: number }): Fault {
  return new Fault("IMAGE_NAME", {
    what: `"${name}" cannot be the name of an image.`,
    why: `It is an alias of ${alias.name}:${alias.version}.`,
    fix: `Choose another name, or take the alias away: "bootcast image tag ${alias.name}:${alias.version} --remove-alias ${name}".`,
  });
}

/** @param known the ids of the keys that the file has */
export function keyAbsent(directory: string, id: string, path: string | undefined, known: readonly string[]): Fault {
  const what = `The packs of the image store ${directory} cannot be read or written.`;
  if (path !== undefined && known.length > 0) {
    return new Fault("STORE_KEY_WRONG", {
      what,
      why: `They are sealed with the key ${id}. The file ${path} has only: ${known.join(", ")}.`,
      fix: "Give the key file that belongs to this store, with --store-key FILE or images.store_key.",
    });
  }
  return new Fault("STORE_KEY_MISSING", {
    what,
    why: `They are sealed with the key ${id}, and ${path === undefined ? "no key was given" : `there is no file ${path}`}.`,
    fix: "Give the store's key file with --store-key FILE, or set images.store_key in the configuration. Without this key nobody can read them.",
  });
}

/** The store shall be sealed by a key that does not exist yet. */
export function keyNotMade(path: string): Fault {
  return new Fault("STORE_KEY_MISSING", {
    what: "The image store cannot be sealed.",
    why: `There is no key file ${path}.`,
    fix: `Put the disk in that holds it, or make one: "bootcast image keys seal --store-key ${path}".`,
  });
}

export function notSealed(directory: string, keyPath: string): Fault {
  return new Fault("STORE_NOT_SEALED", {
    what: `Nothing was written to the image store ${directory}: it is not sealed.`,
    why: `A key is set for it, ${keyPath}, but its packs are plain.`,
    fix: 'Seal it with "bootcast image keys seal", or take away --store-key and images.store_key.',
  });
}

export function sealUnknown(digest: string, id: string): Fault {
  return new Fault("PACK_DAMAGED", {
    what: `Pack ${digest} is damaged.`,
    why: `It says that it is sealed with the key ${id}, which this store does not use.`,
    fix: 'Check the store with "bootcast image verify NAME"; a damaged pack is written anew by the next import of the same image. When all packs say this, the store was copied without its file "seal": copy that, too.',
  });
}

/** A pack was cut off, or something was added to it. */
export function packLength(digest: string, foundBytes: number, wantedBytes: number): Fault {
  return new Fault("PACK_LENGTH", {
    what: `Pack ${digest} has ${foundBytes} bytes instead of ${wantedBytes}.`,
    why: "Its file in the store was cut off or changed.",
    fix: '"bootcast image verify" says which images it hurts, and repairs it from another copy.',
  });
}

/** The disk of the store reports an error. */
export function unreadablePack(digest: string, cause: unknown): Fault {
  return new Fault(
    "PACK_UNREADABLE",
    {
      what: `Pack ${digest} cannot be read.`,
      why: "The disk of the store reports an error there.",
      fix: "Copy the store to another disk, and repair it there.",
    },
    cause,
  );
}
