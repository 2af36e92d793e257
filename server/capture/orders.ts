import { Fault } from "../../fault.ts";
import { isImageName } from "../../images/manifest.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { addHost, refuseBusy } from "../orders/deploy-hosts.ts";
import { badName } from "../store/faults.ts";

/** What is ordered: the disk of `host` (name, id or MAC) becomes the next version of `image`. */
export type CaptureRequest = {
  readonly host: string;
  /** Called like the host unless given. */
  readonly image?: string | undefined;
  readonly notes?: string | undefined;
  /** Keep also what lies in free blocks of a file system: deleted files. */
  readonly keepFreeBlocks?: boolean | undefined;
  /** Where it was ordered, for its event; absent for the command line. */
  readonly orderedAt?: string;
};

/** What an order would do: nothing is changed by making a plan. */
export type CapturePlan = {
  readonly image: string;
  /** The version that it becomes when nobody else makes one meanwhile. */
  readonly nextVersion: number;
  readonly host: {
    readonly id: string;
    readonly name: string;
    readonly mac: string;
    readonly model: string;
    readonly lastSeenMs: number;
    readonly disks: readonly { readonly path: string; readonly sizeBytes: number; readonly model: string }[];
  };
  readonly notes: string;
  readonly keepFreeBlocks: boolean;
  /** The most that it may read and keep. */
  readonly mostDiskBytes: number;
  /** What the disk of the store has free now. */
  readonly freeBytes: number;
  /** What the person should know before; empty when nothing stands out. */
  readonly warning: string;
};

const MOST_NOTE_CHARACTERS = 1000;

/** Orders to capture. What a host is told of them is in `orders.ts`; what it sends comes to `capture-routes.ts`. */
export class CaptureOrders {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #hosts: Hosts;
  readonly #versionsOf: (image: string) => Promise<readonly number[]>;
  readonly #freeBytes: () => Promise<number>;

  constructor(options: {
    db: Database;
    events: EventLog;
    hosts: Hosts;
    versionsOf: (image: string) => Promise<readonly number[]>;
    freeBytes: () => Promise<number>;
  }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#hosts = options.hosts;
    this.#versionsOf = options.versionsOf;
    this.#freeBytes = options.freeBytes;
  }

  /** @throws {Fault} HOST_UNKNOWN, HOST_BUSY, IMAGE_NAME, CAPTURE_INVALID */
  async plan(request: CaptureRequest): Promise<CapturePlan> {
    const host = await this.#hosts.find(request.host);
    const image = request.image ?? host.name;
    if (!isImageName(image)) throw badName(image);
    const notes = request.notes ?? "";
    if (notes.length > MOST_NOTE_CHARACTERS) throw notesTooLong(notes.length);
    await refuseBusy(this.#db, [host]);
    const disks = disksOf(host);
    const mostDiskBytes = Math.max(0, ...disks.map(({ sizeBytes }) => sizeBytes));
    if (mostDiskBytes === 0) throw noDisk(host);
    const freeBytes = await this.#freeBytes();
    return {
      image,
      nextVersion: ((await this.#versionsOf(image)).at(-1) ?? 0) + 1,
      host: {
        id: host.id,
        name: host.name,
        mac: host.mac,
        model: host.model,
        lastSeenMs: host.lastSeenMs,
        disks: disks.map(({ path, sizeBytes, model }) => ({ path, sizeBytes, model })),
      },
      notes,
      keepFreeBlocks: request.keepFreeBlocks ?? false,
      mostDiskBytes,
      freeBytes,
      warning: warningOf(disks.length, mostDiskBytes, freeBytes),
    };
  }

  /** Gives the order; the host begins when it appears. @returns its number, and what it does */
  async create(request: CaptureRequest): Promise<{ deployId: number; plan: CapturePlan }> {
    const plan = await this.plan(request);
    const { image, notes, keepFreeBlocks, mostDiskBytes } = plan;
    const deployId = await this.#events.change(async (change) => {
      // Once more: another order may have been given at the same moment.
      await refuseBusy(change.tables, [plan.host]);
      const { id } = await change.tables
        .insertInto("deploys")
        .values({
          kind: "capture",
          image,
          image_version: 0,
          to_any: 0,
          wait_for: 1,
          max_wait_ms: 0,
          state: "active",
          created_at_ms: change.nowMs,
          begun_at_ms: change.nowMs,
          ended_at_ms: null,
          notes,
          keep_free_blocks: keepFreeBlocks ? 1 : 0,
          most_disk_bytes: mostDiskBytes,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      const at = request.orderedAt === undefined ? {} : { orderedAt: request.orderedAt };
      await change.record({ kind: "deploy.created", deployId: id, data: { order: "capture", image, ...at } });
      await addHost(change, id, plan.host.id);
      return id;
    });
    return { deployId, plan };
  }
}

/** Those that the host will look at: fixed, not USB. */
function disksOf({ inventory }: Host) {
  return inventory.disks.filter(({ isRemovable, transport, sizeBytes }) => {
    return !isRemovable && transport !== "usb" && sizeBytes > 0;
  });
}

// The host decides in its own preflight; this only says early what it will say.
function warningOf(disks: number, mostDiskBytes: number, freeBytes: number): string {
  if (disks > 1) return "it has several disks that qualify, so it will refuse";
  return freeBytes < mostDiskBytes ? "a full disk of this size would not fit into the store; its used part may" : "";
}

function noDisk({ name }: Host): Fault {
  return new Fault("CAPTURE_INVALID", {
    what: `${name} has no disk that could be captured.`,
    why: "When it last started from the network, it showed no fixed disk with a medium.",
    fix: 'Connect one, and let the machine start from the network once: its disks are in "bootcast host show".',
  });
}

function notesTooLong(length: number): Fault {
  return new Fault("CAPTURE_INVALID", {
    what: `The notes have ${length} characters.`,
    why: `Every list of images shows them; ${MOST_NOTE_CHARACTERS} are the most.`,
    fix: "Write less, and keep the rest elsewhere.",
  });
}
