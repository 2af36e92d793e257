import { type Manifest, packCellCount, packOfStored } from "./manifest.ts";

/** One cell of the disk that a pack fills: `index` is the cell inside the pack, `cell` its number on the disk. */
export type PackPlace = { readonly index: number; readonly cell: number };

/** For every pack, all places on the disk that its cells go to. Equal cells are stored once and have several places. */
export class PackPlaces {
  readonly #manifest: Manifest;
  // The runs that take cells from pack p are #runs[#starts[p]] up to #runs[#starts[p + 1]].
  readonly #starts: Uint32Array;
  readonly #runs: Uint32Array;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    const counts = new Uint32Array(manifest.packs.length + 1);
    let total = 0;
    forEachRunAndPack(manifest, (_run, pack) => {
      counts[pack + 1]! += 1;
      total += 1;
    });
    for (let pack = 1; pack < counts.length; pack += 1) counts[pack]! += counts[pack - 1]!;
    const next = counts.slice();
    const runs = new Uint32Array(total);
    forEachRunAndPack(manifest, (run, pack) => {
      runs[next[pack]!] = run;
      next[pack]! += 1;
    });
    this.#starts = counts;
    this.#runs = runs;
  }

  /** The places of pack number `pack`, in ascending disk order. */
  get(pack: number): PackPlace[] {
    const { packs, cells } = this.#manifest;
    const from = packs[pack]!.firstStored;
    const to = from + packCellCount(packs[pack]!);
    const places: PackPlace[] = [];
    for (let at = this.#starts[pack]!; at < this.#starts[pack + 1]!; at += 1) {
      const { firstCell, count, firstStored } = cells.run(this.#runs[at]!);
      const end = Math.min(to, firstStored + count);
      for (let stored = Math.max(from, firstStored); stored < end; stored += 1)
        places.push({ index: stored - from, cell: firstCell + stored - firstStored });
    }
    return places;
  }
}

/** Where each pack's cells go: `placesOfPack(manifest).get(pack)`. Costs four bytes a run and pack. */
export function placesOfPack(manifest: Manifest): PackPlaces {
  return new PackPlaces(manifest);
}

function forEachRunAndPack(manifest: Manifest, visit: (run: number, pack: number) => void): void {
  const { packs, cells } = manifest;
  for (let run = 0; run < cells.runCount; run += 1) {
    const { state, firstStored, count } = cells.run(run);
    if (state !== "data") continue;
    const end = firstStored + count;
    for (let pack = packOfStored(packs, firstStored); pack < packs.length; pack += 1) {
      if (packs[pack]!.firstStored >= end) break;
      visit(run, pack);
    }
  }
}
