import { createHash } from "node:crypto";
import { open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { CaptureState, FinishCapture, ManifestPiece } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { cellCount } from "../../images/cell.ts";
import type { ImageTag, Manifest, PackEntry } from "../../images/manifest.ts";
import { decodeUnsigned, encodeManifest } from "../../images/manifest-codec.ts";
import { packCellIds } from "../../images/pack.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { SiteKey } from "../store/keys.ts";
import type { ImageStore } from "../store/store.ts";
import { captureTooLarge, manifestRefused, manifestSpoiled, packNotKept } from "./faults.ts";
import { type StandingCapture, standingCapture } from "./standing.ts";

/** A manifest is this long at most before its cells are counted: magic, header, root, signature. */
const MOST_FRONT_BYTES = 2 * 1024 * 1024;
/** Id, run, pack and table entry of one cell. */
const MOST_CELL_BYTES = 32 + 8 + 37 + 4;
/** Packs whose fronts are read at the same time. */
const FRONTS_AT_ONCE = 32;
/** The agent asks again after this; it must be shorter than its patience. */
const ANSWER_WITHIN_MS = 15_000;

type Made = Extract<CaptureState, { state: "made" }>;
type Arriving = { readonly path: string; bytes: number };
type Checked = { readonly digest: string; readonly manifest: Manifest };

export type CaptureManifestOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly store: ImageStore;
  readonly siteKey: SiteKey;
  readonly log: Logger;
  readonly now: () => number;
};

/**
 * The end of a capture: the manifest arrives in pieces, is checked to the last cell, gets its name, version, date and
 * signature here, and becomes an image version. What the host says of itself decides nothing.
 */
export class CaptureManifests {
  readonly #options: CaptureManifestOptions;
  readonly #arriving = new Map<number, Arriving>();
  readonly #checked = new Map<number, Checked>();
  /** By image: the last capture that makes a version of it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #jobs = new Map<number, { readonly digest: string; readonly result: Promise<CaptureState> }>();

  constructor(options: CaptureManifestOptions) {
    this.#options = options;
  }

  /** Adds a piece. One that would leave a gap is not taken: the answer says where to go on. @throws {Fault} CAPTURE_TOO_LARGE */
  async put(capture: StandingCapture, offset: number, piece: Uint8Array): Promise<ManifestPiece> {
    const { deployId, mostDiskBytes } = capture;
    if (offset + piece.length > MOST_FRONT_BYTES + cellCount(mostDiskBytes) * MOST_CELL_BYTES) {
      throw captureTooLarge(deployId, mostDiskBytes);
    }
    const arriving = this.#arriving.get(deployId) ?? { path: this.#pathOf(deployId), bytes: 0 };
    if (offset > arriving.bytes) return { bytes: arriving.bytes };
    const file = await open(arriving.path, offset === 0 ? "w" : "r+", 0o600);
    try {
      await file.write(piece, 0, piece.length, offset);
    } finally {
      await file.close();
    }
    arriving.bytes = offset + piece.length;
    this.#arriving.set(deployId, arriving);
    return { bytes: arriving.bytes };
  }

  /**
   * Makes the image version, or says how far that is. Asking again goes on with it; once it is made it stays.
   *
   * @throws {Fault} CAPTURE_INVALID, MANIFEST_INVALID, STORE_FULL, …: then it can be tried anew
   */
  async finish(capture: StandingCapture, hostId: string, asked: FinishCapture): Promise<CaptureState> {
    const { deployId, image, imageVersion } = capture;
    if (imageVersion > 0) return { state: "made", image, imageVersion };
    let job = this.#jobs.get(deployId);
    if (job === undefined || job.digest !== asked.manifestDigest) {
      const result = this.#finish(capture, hostId, asked);
      job = { digest: asked.manifestDigest, result };
      this.#jobs.set(deployId, job);
      const over = () => {
        if (this.#jobs.get(deployId)?.result === result) this.#jobs.delete(deployId);
      };
      result.then(over, over);
    }
    const patience = new AbortController();
    const later = sleep(ANSWER_WITHIN_MS, undefined, { ref: false, signal: patience.signal }).then(
      (): CaptureState => ({ state: "checking", reason: "the server checks every pack of the image" }),
    );
    later.catch(() => {});
    return Promise.race([job.result, later]).finally(() => patience.abort());
  }

  /** This capture is over. */
  forget(deployId: number): void {
    this.#checked.delete(deployId);
    const arriving = this.#arriving.get(deployId);
    this.#arriving.delete(deployId);
    if (arriving !== undefined) void unlink(arriving.path).catch(() => {});
  }

  async #finish(capture: StandingCapture, hostId: string, asked: FinishCapture): Promise<CaptureState> {
    const manifest = await this.#check(capture, asked);
    return this.#inTurn(capture.image, () => this.#make(capture, hostId, manifest));
  }

  /** Captures into the same image one after the other: the lock on an image is held against other processes. */
  #inTurn<T>(image: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(image) ?? Promise.resolve();
    const own = before.then(work, work);
    this.#turns.set(image, own);
    const over = () => {
      if (this.#turns.get(image) === own) this.#turns.delete(image);
    };
    own.then(over, over);
    return own;
  }

  async #make(capture: StandingCapture, hostId: string, manifest: Manifest): Promise<CaptureState> {
    const { db, store } = this.#options;
    let reserved: Awaited<ReturnType<ImageStore["reserveVersion"]>>;
    try {
      reserved = await store.reserveVersion(capture.image);
    } catch (error) {
      if (error instanceof Fault && error.code === "IMAGE_BUSY") {
        return { state: "waiting", reason: `${error.what} ${error.why}` };
      }
      throw error;
    }
    try {
      // It may have been stopped meanwhile.
      await standingCapture(db, hostId, capture.deployId);
      const made = await this.#publish(capture, manifest, reserved.version);
      await this.#note(capture, hostId, made);
      return made;
    } finally {
      await reserved.release();
    }
  }

  async #check(capture: StandingCapture, { manifestBytes, manifestDigest }: FinishCapture): Promise<Manifest> {
    const { deployId } = capture;
    const before = this.#checked.get(deployId);
    if (before?.digest === manifestDigest) return before.manifest;
    const arriving = this.#arriving.get(deployId);
    if (arriving?.bytes !== manifestBytes) throw manifestSpoiled(deployId);
    const bytes = await readFile(arriving.path);
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (bytes.length !== manifestBytes || digest !== manifestDigest) throw manifestSpoiled(deployId);
    const manifest = decodeSent(bytes, capture);
    const { packs } = manifest;
    for (let first = 0; first < packs.length; first += FRONTS_AT_ONCE) {
      const some = packs.slice(first, first + FRONTS_AT_ONCE);
      const areKept = await Promise.all(some.map((pack) => this.#isKept(pack)));
      const bad = some.find((_, index) => areKept[index] === false);
      if (bad !== undefined) throw packNotKept(deployId, bad.digest);
    }
    this.#checked.set(deployId, { digest, manifest });
    return manifest;
  }

  /** Whether the store has this pack with these cells. Their content was checked when it was kept. */
  async #isKept(pack: PackEntry): Promise<boolean> {
    const found = await this.#options.store.readFront(pack.digest);
    if (found === undefined || found.sizeBytes !== pack.storedBytes) return false;
    try {
      const ids = packCellIds(found.front);
      return ids.length === pack.cellIds.length && Buffer.compare(ids, pack.cellIds) === 0;
    } catch (error) {
      if (error instanceof Fault) return false;
      throw error;
    }
  }

  async #publish(capture: StandingCapture, manifest: Manifest, version: number): Promise<Made> {
    const { store, siteKey, now } = this.#options;
    const { image: name, deployId, hostName, notes } = capture;
    const builder = `captured from ${hostName}, session ${deployId}`;
    const newest = await this.#madeBefore(name, version - 1, builder, manifest);
    if (newest !== undefined) return newest;
    const tag: ImageTag = { name, version, builder, createdAtMs: now(), notes };
    await store.writeManifest(encodeManifest({ ...manifest, tag }, siteKey.privateKey));
    return { state: "made", image: name, imageVersion: version };
  }

  /** The server was killed after it had written this very version and before it had noted that. */
  async #madeBefore(name: string, version: number, builder: string, { root }: Manifest): Promise<Made | undefined> {
    const { store } = this.#options;
    try {
      if ((await store.readSummary(name, version)).tag.builder !== builder) return undefined;
      const { manifest } = await store.readManifest(name, version);
      return Buffer.compare(manifest.root, root) === 0
        ? { state: "made", image: name, imageVersion: version }
        : undefined;
    } catch {
      // There is none, or it cannot be read: then the next one is made.
      return undefined;
    }
  }

  async #note(capture: StandingCapture, hostId: string, made: Made): Promise<void> {
    const { events, log } = this.#options;
    const { deployId, hostName } = capture;
    const { image, imageVersion } = made;
    await events.change(async ({ tables, record }) => {
      await tables.updateTable("deploys").set({ image_version: imageVersion }).where("id", "=", deployId).execute();
      await record({ kind: "capture.made", hostId, deployId, data: { image, imageVersion } });
    });
    log.info({ deployId, host: hostName, image, imageVersion }, "captured");
  }

  #pathOf(deployId: number): string {
    return join(this.#options.store.directory, "temp", `capture-${deployId}.manifest`);
  }
}

function decodeSent(bytes: Uint8Array, { deployId, mostDiskBytes }: StandingCapture): Manifest {
  try {
    return decodeUnsigned(bytes, mostDiskBytes);
  } catch (error) {
    throw error instanceof Fault ? manifestRefused(deployId, error) : error;
  }
}
