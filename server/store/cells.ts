import { setImmediate } from "node:timers/promises";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import { decodePackTable } from "../../images/manifest-codec.ts";
import { packCellIds } from "../../images/pack.ts";
import { CellIndex } from "./cell-index.ts";
import type { ImageStore } from "./store.ts";

/** Between two breaths, so that nobody else waits long. */
const PACKS_AT_ONCE = 500;
/** Kept so long after it was last asked for: captures come in rows. */
const KEPT_FOR_MS = 10 * 60_000;

/**
 * The index of all cells in the store, read when a capture first asks and kept while some do. What another process
 * adds meanwhile is not in it: then a host sends what it need not have sent.
 */
export class StoreCells {
  readonly #store: ImageStore;
  readonly #log: Logger;
  #reading: Promise<CellIndex> | undefined;
  #forgetting: NodeJS.Timeout | undefined;

  constructor(store: ImageStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  index(): Promise<CellIndex> {
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => {
      this.#reading = undefined;
    }, KEPT_FOR_MS).unref();
    if (this.#reading !== undefined) return this.#reading;
    const reading = readStoreCells(this.#store, this.#log);
    this.#reading = reading;
    reading.catch(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    return reading;
  }
}

/** The cells of all images, and of packs that no image names: those of captures that were interrupted. */
async function readStoreCells(store: ImageStore, log: Logger): Promise<CellIndex> {
  const index = new CellIndex();
  for (const name of await store.names()) {
    for (const version of await store.versions(name)) {
      try {
        const { entries } = decodePackTable(await store.readManifestFile(name, version));
        for (const [number, { digest, storedBytes, cellIds }] of entries.entries()) {
          index.add({ digest, storedBytes }, cellIds);
          if (number % PACKS_AT_ONCE === 0) await setImmediate();
        }
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        log.warn({ image: `${name}:${version}`, fault: error }, "capture: the packs of a damaged image are not used");
      }
    }
  }
  for await (const digest of store.packDigests()) {
    if (index.has(digest)) continue;
    const found = await store.readFront(digest);
    try {
      if (found !== undefined) index.add({ digest, storedBytes: found.sizeBytes }, packCellIds(found.front));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      log.warn({ digest, fault: error }, "capture: a damaged pack is not used");
    }
  }
  return index;
}
