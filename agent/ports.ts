import type { Logger } from "pino";
import type { BlockTarget } from "../images/block.ts";
import type { FitOrder } from "../images/disk-fit/plan.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Manifest } from "../images/manifest.ts";
import type { Clock } from "./client/backoff.ts";
import type { ServerClient } from "./client/server-client.ts";
import type { ServerPlace } from "./client/servers.ts";
import type {
  Disk,
  EraseMethod,
  HearingTest,
  Inventory,
  Order,
  OrderScript,
  Registration,
  Report,
  ScriptResult,
} from "./contract.ts";
import type { Erased } from "./disk/erase.ts";
import type { VerifyRule } from "./disk/verify-plan.ts";
import type { AgentConsole } from "./display/console.ts";
import type { Fitted } from "./fit/fit-disk.ts";
import type { AliveCall } from "./identity/alive-script.ts";
import type { Leaving } from "./leave/leave.ts";
import type { Power } from "./machine/inventory.ts";
import type { BootNetwork } from "./machine/network.ts";
import type { StepProgress } from "./step-progress.ts";
import type { DescribedStream } from "./stream/describe.ts";
import type { NamingResult } from "./volumes/name-volumes.ts";
import type { RestoredVolume } from "./volumes/partitions.ts";

/** The local disk, closed when it is made. */
export type LocalDisk = BlockTarget & {
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Opens it for writing. Called once, after the server's permission, right before the erase. */
  open(): Promise<void>;
  close(): Promise<void>;
};

/** A report that anybody can deliver. */
export type LastWord = { readonly url: string; readonly token: string; readonly report: Report };

/** One restore from a stream. */
export type ReceiveRequest = {
  readonly server: ServerPlace;
  readonly streamId: string;
  readonly stream: DescribedStream;
  readonly host: Registration;
  readonly target: BlockTarget;
  /** What the disk was found to hold already: only the rest is asked for and written. */
  readonly held?: HeldCells | undefined;
  /** Own IPv4 address on the interface that the stream arrives at. */
  readonly interfaceAddress: string;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
  /** Called once, when the stream is seen to arrive: erases. Nothing is written before it resolves. */
  beforeWrite(): Promise<Erased>;
};

/** One erase, of a disk that is open for writing. */
export type EraseRequest = {
  readonly disk: Disk;
  readonly target: LocalDisk;
  readonly method: EraseMethod;
  /** What is going to be written. */
  readonly manifest: Pick<Manifest, "cells" | "diskBytes">;
  /** What is right on the disk already: all of that stays, and only what makes a disk look bootable is wiped. */
  readonly held?: HeldCells | undefined;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
};

/** A look at what the disk holds of an image. It is only read. */
export type LookRequest = {
  readonly disk: Disk;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
};

/** One reading back of a restored disk. */
export type VerifyRequest = LookRequest & {
  readonly server: ServerPlace;
  readonly streamId: string;
  readonly rule: VerifyRule;
  /** Called before the disk is opened again for writing; throws when it is another one now. */
  beforeWrite(): void;
};

/** What becomes of a disk that holds the whole image. */
export type FitRequest = {
  readonly disk: Disk;
  readonly order: FitOrder;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
};

/** One capture, of a disk that is only read. */
export type CaptureRequest = {
  readonly server: ServerPlace;
  readonly host: Registration;
  readonly order: CaptureOrder;
  readonly disk: Disk;
  readonly signal: AbortSignal;
  onProgress(progress: StepProgress): void;
  /** Called when the disk is open, before anything of it is read; throws when it is another one now. */
  onOpen(): void;
  /** Called once, when all of the disk is in the store and the image is to be made of it. */
  beforeFinish(sent: string): Promise<void>;
};

export type CaptureOrder = Extract<Order, { kind: "capture" }>;

/** What became of it. */
export type Captured = {
  readonly image: string;
  readonly imageVersion: number;
  /** What people should know about the disk, one sentence each. */
  readonly warnings: readonly string[];
};

/**
 * All that the agent does besides deciding. The machine's own are made in
 * machine.ts; tests give others and can so let every step fail.
 */
export type AgentPorts = {
  readonly version: string;
  readonly clock: Clock;
  readonly screen: AgentConsole;
  readonly log: Logger;
  /** The end of what `log` was told, for the last report; absent: nothing of it is sent. */
  logEnd?(): string;
  /** Keeps what somebody else is to tell the server should the agent end without a word; undefined: nothing. */
  keepLastWord?(word: LastWord | undefined): void;
  /** The server named on the kernel's command line. */
  readonly givenServer: URL | undefined;
  /** The enrolment token that this machine was started with; absent: none. */
  readonly enrolment?: string | undefined;
  network(): BootNetwork;
  findServer(network: BootNetwork, say: (line: string) => void): Promise<URL>;
  connect(server: URL): ServerClient;
  /** Listens to a group for the server's test, and says how many of its datagrams came. */
  hearTest(test: HearingTest, interfaceAddress: string, ready: () => Promise<unknown>): Promise<number>;
  /** The own address on the way to the server. */
  addressTowards(server: ServerPlace): Promise<string>;
  inventory(network: BootNetwork): Inventory;
  /** The same disks with what they hold and whether they fail. They are opened for reading alone. */
  examine(disks: readonly Disk[]): Promise<readonly Disk[]>;
  availableMemoryBytes(): number;
  power(): Power;
  /** What a stream offers, and its manifest, checked against the site's keys. */
  describe(server: ServerPlace, streamId: string): Promise<DescribedStream>;
  /** Whether somebody presses a key at the machine within `mostMs`. */
  keyPressed(mostMs: number): Promise<boolean>;
  /** A new random question to the server, 64 hex digits. */
  challenge(): string;
  /** Throws Fault …_NOT_PERMITTED unless a key of the site signed `text`: permit.ts. */
  checkPermit(text: string, permit: string | undefined): void;
  /** @param layout of what comes onto it, to name places that fail */
  localDisk(disk: Disk, layout: Pick<Manifest, "partitions">): LocalDisk;
  look(request: LookRequest): Promise<HeldCells>;
  erase(request: EraseRequest): Promise<Erased>;
  /** Returns what is worth telling about it: passes, losses. */
  receive(request: ReceiveRequest): Promise<string>;
  /** Reads back, repairs once. Returns how many cells were written again. */
  verify(request: VerifyRequest): Promise<number>;
  /** Table, last partition and numbers of the restored disk, as ordered. */
  fit(request: FitRequest): Promise<Fitted>;
  name(request: {
    disk: Disk;
    manifest: Manifest;
    hostName: string;
    mac: string;
    /** What `fit` renewed. */
    renewedUuids: ReadonlyMap<string, string>;
    /** What the restored system is to say at its first start, where that was ordered. */
    alive?: AliveCall;
  }): Promise<NamingResult>;
  /** Runs one script of the order, with the first volume that holds a system mounted for it. */
  runScript(request: {
    script: OrderScript;
    /** Those that `name` found. */
    systems: readonly RestoredVolume[];
    disk: Disk;
    image: string;
    hostName: string;
    mac: string;
    signal: AbortSignal;
    /** Called every few seconds while it runs. */
    onProgress(): void;
  }): Promise<ScriptResult>;
  /** Boot entry. Returns lines for the screen. */
  finish(request: { disk: Disk; manifest: Manifest; image: string }): Promise<readonly string[]>;
  /** Reads the disk and sends what the server lacks of it. It is never opened for writing. */
  capture(request: CaptureRequest): Promise<Captured>;
  /** Loads the kernel that the restored disk would start. Returns a line for the screen. */
  loadKernel(request: { disk: Disk; manifest: Manifest }): Promise<string>;
} & Leaving;
