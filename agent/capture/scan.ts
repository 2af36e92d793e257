import { createHash } from "node:crypto";
import { Fault } from "../../fault.ts";
import { apfsWarnings } from "../../images/apfs/warnings.ts";
import type { BlockSource } from "../../images/block.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import type { Manifest } from "../../images/manifest.ts";
import { encodeUnsigned } from "../../images/manifest-codec.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { scan } from "../../images/scan.ts";
import { findUnusedCells } from "../../images/unused-cells.ts";
import type { Clock } from "../client/backoff.ts";
import { MOST_PIECE_BYTES } from "../contract.ts";
import { formatSize } from "../disk/sizes.ts";
import { limits } from "../limits.ts";
import type { Captured } from "../ports.ts";
import type { StepProgress } from "../step-progress.ts";
import type { CaptureClient } from "./client.ts";
import { CaptureProgress } from "./progress.ts";
import { CaptureSender } from "./sender.ts";

/** Each holds a MiB and its compressed form, and waits for the server most of the time. */
const PACKS_IN_FLIGHT = 16;
const ASK_AGAIN_MS = 2_000;

export type CaptureScanOptions = {
  readonly source: BlockSource;
  readonly sectorBytes: number;
  /** What the image is to be called. */
  readonly image: string;
  readonly keepFreeBlocks: boolean;
  readonly client: CaptureClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
  beforeFinish(sent: string): Promise<void>;
};

/**
 * Reads what is used of a disk, brings what the server lacks of it into its store, and lets it make the image.
 * Begun again after a power cut, it sends only what had not arrived.
 *
 * @throws {Fault} DISK_EMPTY, CAPTURE_TIMEOUT, and those of disk and server
 */
export async function captureScan(options: CaptureScanOptions): Promise<Captured> {
  const { source, sectorBytes, client, clock, signal, onProgress } = options;
  const layout = await readDiskLayout(source, sectorBytes);
  const unused = options.keepFreeBlocks ? undefined : await findUnusedCells(source, layout);
  const usedBytes = source.sizeBytes - (unused?.count ?? 0) * CELL_BYTES;
  const progress = new CaptureProgress(usedBytes, clock.now());
  const sender = new CaptureSender(client);
  const manifest = await scan(source, {
    // All of this is the server's to say.
    tag: { name: options.image, version: 1, builder: "", createdAtMs: 0, notes: "" },
    layout,
    ...(unused && { isUnused: unused.isUnused }),
    keepPack: sender.keepPack,
    packsInFlight: PACKS_IN_FLIGHT,
    onProgress: (done) => onProgress(progress.step(done, sender.sentBytes, clock.now())),
    signal,
  });
  if (manifest.packs.length === 0) throw diskEmpty();
  const sent = `${formatSize(usedBytes)} read, ${formatSize(sender.sentBytes)} sent; the server makes the image`;
  await options.beforeFinish(sent);
  const made = await finish(manifest, options);
  const warnings = [...layout.warnings, ...(unused?.warnings ?? []), ...(await apfsWarnings(source, layout))];
  return { ...made, warnings };
}

async function finish(manifest: Manifest, options: CaptureScanOptions): Promise<Omit<Captured, "warnings">> {
  const { client, clock, signal, onProgress } = options;
  const bytes = encodeUnsigned(manifest);
  const manifestDigest = createHash("sha256").update(bytes).digest("hex");
  const deadline = clock.now() + limits.captureFinishMs;
  for (let at = 0; at < bytes.length; ) {
    // A server that was restarted meanwhile says where it wants to go on: at the beginning.
    at = (await client.put(at, bytes.subarray(at, at + MOST_PIECE_BYTES))).bytes;
    if (clock.now() > deadline) throw finishTimeout("It lost the list of what is on the disk again and again.");
  }
  for (;;) {
    const answer = await client.finish({ manifestBytes: bytes.length, manifestDigest });
    if (answer.state === "made") return { image: answer.image, imageVersion: answer.imageVersion };
    onProgress({ detail: answer.reason });
    if (clock.now() > deadline) throw finishTimeout(answer.reason);
    if (answer.state === "waiting") await clock.sleep(ASK_AGAIN_MS, signal);
    signal.throwIfAborted();
  }
}

function diskEmpty(): Fault {
  return new Fault("DISK_EMPTY", {
    what: "There is nothing on this disk to capture.",
    why: "All of it is zero, or unused.",
    fix: "Install a system on it first, or capture another machine.",
  });
}

function finishTimeout(reason: string): Fault {
  return new Fault("CAPTURE_TIMEOUT", {
    what: "All of the disk has arrived, and the server made no image of it.",
    why: reason,
    fix: "Order the capture again when the server is free: it takes only as long as the disk is read.",
  });
}
