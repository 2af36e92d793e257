import type { KeyObject } from "node:crypto";
import type { Logger } from "pino";
import type { BlockTarget } from "../../images/block.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import type { Manifest } from "../../images/manifest.ts";
import type { Mark } from "../../multicast/pass-marks.ts";
import type { ServerPlace } from "../client/servers.ts";
import type { DescribedStream } from "./describe.ts";
import type { GroupKeys } from "./group-keys.ts";
import type { PackKeeper } from "./pack-keeper.ts";

/** How far a restore is, a few times a second. */
export type ReceiveProgress = {
  readonly stage: "arriving" | "erasing" | "waiting" | "receiving" | "finishing";
  /** What is done or waited for now, one sentence. */
  readonly detail: string;
  /** What keeps the restore from going on, one sentence; empty while it goes on. */
  readonly waitingFor: string;
  /** Of the stream's bytes, what is written: 0 to 100. */
  readonly percent: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly packsDone: number;
  readonly packsTotal: number;
  /** Whole passes of the stream that have gone by. */
  readonly passes: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  readonly unicastPacks: number;
};

/** What a reception is told. */
export type ReceiveOptions = {
  readonly server: ServerPlace;
  readonly streamId: string;
  /** The public keys whose images are accepted. */
  readonly trusted: readonly KeyObject[];
  readonly target: BlockTarget;
  /** This machine, as the server shows it. */
  readonly name: string;
  readonly hostId?: string | undefined;
  readonly token?: string | undefined;
  /** Where the key of an encrypted stream is kept, for whoever asks the server for packs later; its own unless given. */
  readonly groupKeys?: GroupKeys;
  /** An own address on the interface that the stream arrives at; by default the one that leads to the server. */
  readonly interfaceAddress?: string | undefined;
  /** Spares asking the server again, when the caller has described the stream already. */
  readonly described?: DescribedStream | undefined;
  /**
   * Called once, when the stream's packets arrive: the erase. Nothing is written to the target before it
   * resolves. `isZeroed` says that every byte of the target reads as zero now; otherwise zeros are written.
   */
  readonly beforeWrite: (manifest: Manifest) => Promise<{ readonly isZeroed: boolean }>;
  /** What the target was found to hold already: it is not asked for, and stays as it is. */
  readonly held?: HeldCells | undefined;
  readonly onProgress?: (progress: ReceiveProgress) => void;
  /** One mark for every 2 % of a pass that has gone by; see agent/display/screen.ts. */
  readonly onMark?: (mark: Mark) => void;
  /** Give up when no data came for so long; 0 never. Default 60 s. */
  readonly timeoutMs?: number;
  /** Give up when the group's packets do not arrive at all. Default 20 s. */
  readonly arriveMs?: number;
  /** Most memory for symbols; by default a third of what is free, 32 to 64 MiB. */
  readonly memoryBytes?: number;
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
  /** For tests: as if no thread could be started. */
  readonly withoutThreads?: boolean;
  /** Keeps the packs instead of writing to the target, of which only the size is used then. */
  readonly keeper?: PackKeeper;
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
};

/** What came of it. */
export type Received = {
  readonly manifest: Manifest;
  /** Of the packs that came and were written, as they are stored. */
  readonly storedBytes: number;
  /** Whole passes of the stream that went by. */
  readonly passes: number;
  readonly symbolsReceived: number;
  readonly symbolsLost: number;
  /** Packs that came by unicast HTTP. */
  readonly unicastPacks: number;
  /** Packs from the group whose content was not what the manifest says. */
  readonly wrongPacks: number;
};
