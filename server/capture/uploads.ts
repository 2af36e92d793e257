import type { CellAnswers, KeptPack } from "../../agent/contract.ts";
import { CELL_BYTES, cellCount } from "../../images/cell.ts";
import { idsOf, type PackParcel } from "../../images/cell-lists.ts";
import { ID_BYTES } from "../../images/manifest.ts";
import {
  decodePack,
  encodePack,
  MAX_PACK_BYTES,
  PACK_HEADER_BYTES,
  packCellIds,
  packDigest,
} from "../../images/pack.ts";
import type { CellIndex } from "../store/cell-index.ts";
import type { StoreCells } from "../store/cells.ts";
import { isPackFault } from "../store/packs.ts";
import type { ImageStore } from "../store/store.ts";
import { captureBusy, captureTooLarge, cellMissing, storeNearlyFull } from "./faults.ts";
import type { StandingCapture } from "./standing.ts";

/** Left for the database, the log and whatever else the server writes. */
export const KEPT_FREE_BYTES = 256 * 1024 * 1024;
/** Parcels of one host that are worked on at the same time: each is up to 2 MiB of memory. */
const MOST_UNDER_WAY = 16;

type Sender = { keptBytes: number; underWay: number };

/**
 * What hosts send of their disks. Nothing of it is believed: a pack is taken apart, and each cell has the SHA-256
 * that it is named by, before it is kept; no pack that is there is overwritten; one host can send as much as its
 * disk holds, and no more.
 *
 * The packs become those that an import of the same disk would make. Where only some cells of a pack are new, only
 * these are sent, and the pack is put together here.
 */
export class CaptureUploads {
  readonly #store: ImageStore;
  readonly #cells: StoreCells;
  readonly #freeBytes: () => Promise<number>;
  readonly #senders = new Map<number, Sender>();

  /** @param options.freeBytes how much the disk of the store has free */
  constructor(options: { store: ImageStore; cells: StoreCells; freeBytes: () => Promise<number> }) {
    this.#store = options.store;
    this.#cells = options.cells;
    this.#freeBytes = options.freeBytes;
  }

  /** For each list of cells: the pack with exactly these, or which are to be sent. */
  async answer(lists: readonly Uint8Array[]): Promise<CellAnswers> {
    const index = await this.#cells.index();
    return { packs: await Promise.all(lists.map((cellIds) => this.#answerOne(index, cellIds))) };
  }

  /** @throws {Fault} CAPTURE_BUSY, CAPTURE_TOO_LARGE, CELL_MISSING, STORE_FULL, PACK_INVALID */
  async keep(capture: StandingCapture, parcel: PackParcel): Promise<KeptPack> {
    if (parcel.pack.length > MAX_PACK_BYTES) throw captureTooLarge(capture.deployId, capture.mostDiskBytes);
    const sender = this.#senderOf(capture.deployId);
    if (sender.underWay >= MOST_UNDER_WAY) throw captureBusy(capture.deployId);
    sender.underWay += 1;
    try {
      return await this.#keep(capture, sender, parcel);
    } finally {
      sender.underWay -= 1;
    }
  }

  /** This capture is over: its counts are not needed any more. */
  forget(deployId: number): void {
    this.#senders.delete(deployId);
  }

  async #answerOne(index: CellIndex, cellIds: Uint8Array): Promise<CellAnswers["packs"][number]> {
    const known = index.packWith(cellIds);
    // Read and hashed as for an import: an image must not rest on a pack that went bad.
    if (known !== undefined && (await this.#store.isSound(known.digest))) return known;
    if (known !== undefined) index.forget(known.digest);
    let missing = 0;
    for (const [place, id] of idsOf(cellIds).entries()) if (index.find(id) === undefined) missing |= 1 << place;
    return { missing };
  }

  async #keep(capture: StandingCapture, sender: Sender, { cellIds, pack }: PackParcel): Promise<KeptPack> {
    const index = await this.#cells.index();
    const { digest, bytes } = await this.#packOf(index, cellIds, pack);
    const { deployId, mostDiskBytes } = capture;
    if (sender.keptBytes + bytes.length > mostKeptBytes(mostDiskBytes)) throw captureTooLarge(deployId, mostDiskBytes);
    const freeBytes = await this.#freeBytes();
    if (freeBytes < KEPT_FREE_BYTES) throw storeNearlyFull(this.#store.directory, freeBytes);
    // Counted before it is written: others are under way.
    sender.keptBytes += bytes.length;
    if (!(await this.#store.writePack(digest, bytes))) sender.keptBytes -= bytes.length;
    const kept = { digest, storedBytes: bytes.length };
    index.add(kept, cellIds);
    return kept;
  }

  async #packOf(index: CellIndex, cellIds: Uint8Array, pack: Uint8Array) {
    const sent = new Map<string, Uint8Array>();
    if (pack.length > 0) {
      const sentIds = packCellIds(pack);
      const digest = packDigest(pack);
      const cells = decodePack(pack, { digest, cellIds: sentIds });
      if (Buffer.compare(sentIds, cellIds) === 0) return { digest, bytes: pack };
      for (const [place, id] of idsOf(sentIds).entries()) sent.set(keyOf(id), cells[place]!);
    }
    const cells: Uint8Array[] = [];
    const read = new Map<string, readonly Uint8Array[]>();
    for (const id of idsOf(cellIds)) cells.push(sent.get(keyOf(id)) ?? (await this.#storedCell(index, id, read)));
    if (cells.slice(0, -1).some(({ length }) => length !== CELL_BYTES)) throw cellMissing();
    return encodePack(cells, "zstd", { cellIds });
  }

  async #storedCell(index: CellIndex, id: Uint8Array, read: Map<string, readonly Uint8Array[]>): Promise<Uint8Array> {
    const found = index.find(id);
    if (found === undefined) throw cellMissing();
    const { digest } = found.pack;
    let cells = read.get(digest);
    if (cells === undefined) {
      try {
        const bytes = await this.#store.readPack(digest);
        cells = decodePack(bytes, { digest, cellIds: packCellIds(bytes) });
      } catch (error) {
        if (!isPackFault(error)) throw error;
        index.forget(digest);
        throw cellMissing();
      }
      read.set(digest, cells);
    }
    return cells[found.place] ?? new Uint8Array();
  }

  #senderOf(deployId: number): Sender {
    const sender = this.#senders.get(deployId) ?? { keptBytes: 0, underWay: 0 };
    this.#senders.set(deployId, sender);
    return sender;
  }
}

/** A disk whose every cell is in a pack of its own and does not shrink. */
function mostKeptBytes(diskBytes: number): number {
  return cellCount(diskBytes) * (PACK_HEADER_BYTES + ID_BYTES + CELL_BYTES);
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}
