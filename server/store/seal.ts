import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { keyNotMade, unreadablePack } from "./faults.ts";
import { guardStore } from "./guard.ts";
import type { StoreKeyFile } from "./key-file.ts";
import { isPackFault, type PackStore } from "./packs.ts";
import {
  encodeSealState,
  NEVER_SEALED,
  type PackForm,
  readSealState,
  type SealState,
  sealStatePath,
} from "./seal-state.ts";

export type SealResult = {
  /** Packs that have the new form now, and had another. */
  readonly changedPacks: number;
  /** Packs that had it already: of an earlier try, or written meanwhile. */
  readonly samePacks: number;
  /** Packs that are damaged or cannot be read. They stay as they are, and the change is not complete. */
  readonly badPacks: readonly { readonly digest: string; readonly fault: Fault }[];
};

/** Under one lock, so that others who publish or remove wait for some tens of milliseconds and no longer. */
const PACKS_AT_ONCE = 8;

/**
 * Seals all packs of a store, opens them, or seals them with another key.
 *
 * First the store says what it becomes, and from what: from then on every writer writes the new form, and every
 * reader reads both. Then each pack is written anew and takes the place of the old one at once. At last the store
 * says that all are changed. Interrupted anywhere, the store can be read and written, and calling this again goes on;
 * so does it after a power cut, because each step is on the disk before the next one begins.
 *
 * @throws {Fault} STORE_KEY_MISSING and STORE_KEY_WRONG before anything is changed, STORE_BUSY, STORE_FULL;
 *   SEAL_REPLACED when another one began meanwhile, which goes on with what this one left
 */
export async function changeSeal(
  store: PackStore,
  target: PackForm,
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (doneFolders: number, totalFolders: number) => void;
  } = {},
): Promise<SealResult> {
  const begun = await begin(store, target);
  const result = { changedPacks: 0, samePacks: 0, badPacks: [] as { digest: string; fault: Fault }[] };
  const folders = await store.packFolders();
  for (const [number, folder] of folders.entries()) {
    const digests = await store.packsIn(folder);
    for (let first = 0; first < digests.length; first += PACKS_AT_ONCE) {
      options.signal?.throwIfAborted();
      using _ = await guardStore(store.directory);
      await refuseReplaced(store, begun);
      const some = digests.slice(first, first + PACKS_AT_ONCE);
      // All of them end before the lock is given back, also when one fails.
      for (const change of await Promise.allSettled(some.map((digest) => changePack(store, digest, target)))) {
        if (change.status === "rejected") throw change.reason;
        if (change.value === "changed") result.changedPacks += 1;
        else if (change.value === "same") result.samePacks += 1;
        else if (change.value !== "gone") result.badPacks.push(change.value);
      }
    }
    options.onProgress?.(number + 1, folders.length);
  }
  await store.syncNames();
  if (result.badPacks.length === 0) await end(store, begun);
  return result;
}

/** A store that has neither packs nor images is sealed from its first pack on. One that has some is left as it is. */
export async function sealNewStore(store: PackStore, keys: StoreKeyFile): Promise<void> {
  const isNew = async () => (await isNeverSealed(store)) && (await store.packFolders()).length === 0;
  if (!(await isNew())) return;
  const [key] = await keys.keys();
  if (key === undefined) throw keyNotMade(keys.path);
  using _ = await guardStore(store.directory);
  if (await isNew()) await writeState(store, { target: key.id, former: [], change: randomUUID() });
}

async function isNeverSealed(store: PackStore): Promise<boolean> {
  return (await readSealState(store.directory)) === NEVER_SEALED;
}

async function begin(store: PackStore, target: PackForm): Promise<SealState> {
  using _ = await guardStore(store.directory);
  const before = await readSealState(store.directory);
  const former = [...new Set([before.target, ...before.former])].filter((form) => form !== target);
  const begun = { target, former, change: randomUUID() };
  // What cannot be finished is not begun.
  await store.sealer.requireForms([target, ...former]);
  await writeState(store, begun);
  return begun;
}

async function end(store: PackStore, begun: SealState): Promise<void> {
  using _ = await guardStore(store.directory);
  await refuseReplaced(store, begun);
  if (begun.target !== "plain") return writeState(store, { ...begun, former: [] });
  await store.disk.unlink(sealStatePath(store.directory));
  await store.disk.syncDirectory(store.directory);
}

async function writeState(store: PackStore, state: SealState): Promise<void> {
  await store.publish(sealStatePath(store.directory), encodeSealState(state), "replace");
  await store.syncNames();
}

async function changePack(
  store: PackStore,
  digest: string,
  target: PackForm,
): Promise<"changed" | "same" | "gone" | { digest: string; fault: Fault }> {
  const form = await store.formOf(digest);
  if (form === undefined) return "gone";
  if (form === target) return "same";
  const path = store.packPath(digest);
  const bytes = await newForm(store, digest, target);
  if (bytes instanceof Fault) return { digest, fault: bytes };
  const { mtimeMs } = await stat(path);
  await store.publish(path, bytes, "replace");
  // It was not used just now: nobody shall keep it longer for that.
  await store.disk.touch(path, mtimeMs);
  return "changed";
}

/** A damaged pack gets none: a seal would make it look sound, and it may be all that is left of an image. */
async function newForm(store: PackStore, digest: string, target: PackForm): Promise<Uint8Array | Fault> {
  try {
    return await store.sealer.seal(digest, await store.readPack(digest), target);
  } catch (error) {
    if (isPackFault(error)) return error;
    if ((error as NodeJS.ErrnoException).code === "EIO") return unreadablePack(digest, error);
    throw error;
  }
}

async function refuseReplaced(store: PackStore, begun: SealState): Promise<void> {
  const { change } = await readSealState(store.directory);
  if (change !== begun.change) throw replaced(store.directory);
}

function replaced(directory: string): Fault {
  return new Fault("SEAL_REPLACED", {
    what: `The packs of the image store ${directory} were not changed to the end.`,
    why: "Another command began to seal or to open them meanwhile, and goes on with it.",
    fix: 'See what is wanted now with "bootcast image keys show"; wait for that command, or repeat yours when it has ended.',
  });
}
