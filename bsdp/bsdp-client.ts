import type { BootImage } from "./boot-image.ts";
import type { BsdpAck, BsdpClientIdentity } from "./bsdp-client-packet.ts";
import { listRequest, readAck, selectRequest } from "./bsdp-client-packet.ts";
import { BsdpMessage } from "./bsdp-options.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { optionData } from "./dhcp-packet.ts";
import { Option } from "./dhcp-values.ts";

/** A server that answered the LIST. */
export type FoundServer = {
  readonly address: string;
  readonly priority: number;
  /** Image ids, as numbers. */
  readonly defaultImage: number;
  readonly selectedImage?: number;
  /** Empty from a server that sent no list. */
  readonly images: readonly BootImage[];
};

export type BsdpChoice = { readonly server: string; readonly image: number };

export type BsdpClientAction =
  | { readonly type: "send"; readonly packet: DhcpPacket }
  /** The window for answers is over; no server at all after the last try. */
  | { readonly type: "listed"; readonly servers: readonly FoundServer[] }
  | {
      readonly type: "boot";
      readonly server: string;
      readonly image: number;
      /** Where the booter comes from by TFTP. */
      readonly tftpServer: string;
      readonly file: string;
      readonly rootPath?: string;
      readonly machineName?: string;
    }
  | { readonly type: "end"; readonly reason: "nobody-answered" | "select-not-answered" | "nothing-chosen" | "failed" };

export type BsdpClientOptions = BsdpClientIdentity & {
  /** Number of the first exchange. */
  readonly xid: number;
  /** What to do with what was found: by itself as with the N key held down, or as the person in front decides. */
  readonly choose?: (servers: readonly FoundServer[]) => BsdpChoice | undefined;
  /** 0 up to 1, asked for each wait. */
  random(): number;
};

/** Apple's waits in milliseconds (BSDP.doc, BSDPClient.c). Firmware's are not written down but for their kind. */
const profiles = {
  firmware: { listTries: 5, listFirstMs: 2000, listMostMs: 16_000, fuzzMs: 500, selectTries: 5, gatherMs: 3000 },
  "startup-disk": { listTries: 7, listFirstMs: 2000, listMostMs: 16_000, fuzzMs: 1000, selectTries: 2, gatherMs: 2000 },
} as const;

/** After a FAILED nobody may ask for a list sooner (BSDP.doc). */
const AFTER_FAILED_MS = 10_000;

/**
 * A Mac that looks for a boot server: decides what to send and when. It owns
 * no socket and no timer; the caller brings packets and the time.
 * It has an address already: that is ordinary DHCP's business.
 */
export class BsdpClient {
  /** How many answers were not taken, by reason. */
  readonly dropped: Record<string, number> = {};
  readonly #options: BsdpClientOptions;
  readonly #found = new Map<string, FoundServer>();
  #state: "idle" | "listing" | "gathering" | "selecting" | "resting" | "ended" = "idle";
  #xid: number;
  #tries = 0;
  #waitMs = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #choice: BsdpChoice | undefined;
  #failures = 0;

  constructor(options: BsdpClientOptions) {
    this.#options = options;
    this.#xid = options.xid;
  }

  /** When `onTimer` must next be called, in the caller's milliseconds; infinite when there is nothing to wait for. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Who has answered the LIST so far, the highest priority first. */
  get found(): FoundServer[] {
    return [...this.#found.values()].toSorted((one, other) => other.priority - one.priority);
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  start(now: number): BsdpClientAction[] {
    this.#state = "listing";
    this.#found.clear();
    this.#choice = undefined;
    return this.#firstTry(now);
  }

  onPacket(bytes: Uint8Array, now: number): BsdpClientAction[] {
    const ack = readAck(bytes, this.#options, this.#xid);
    if (typeof ack === "string") return this.#drop(ack);
    if (this.#state === "listing" || this.#state === "gathering") return this.#onList(ack, now);
    return this.#state === "selecting" ? this.#onSelected(ack, now) : this.#drop("not waited for");
  }

  onTimer(now: number): BsdpClientAction[] {
    if (now < this.#deadline) return [];
    const profile = profiles[this.#options.profile];
    switch (this.#state) {
      case "gathering":
        return this.#onGathered(now);
      case "resting":
        return this.start(now);
      case "listing":
        if (this.#tries < profile.listTries) return this.#nextTry(now);
        return [{ type: "listed", servers: [] }, ...this.#end("nobody-answered")];
      case "selecting":
        return this.#tries < profile.selectTries ? this.#nextTry(now) : this.#end("select-not-answered");
      default:
        return [];
    }
  }

  #onList({ server, options }: BsdpAck, now: number): BsdpClientAction[] {
    if (options.messageType !== BsdpMessage.list) return this.#drop("another BSDP message");
    const { defaultImage, selectedImage, images = [], serverPriority = 0 } = options;
    if (defaultImage === undefined) return this.#drop("no default image");
    const found = { address: server, priority: serverPriority, defaultImage, images };
    this.#found.set(server, { ...found, ...(selectedImage === undefined ? {} : { selectedImage }) });
    if (this.#state === "gathering") return [];
    this.#state = "gathering";
    this.#deadline = now + profiles[this.#options.profile].gatherMs;
    return [];
  }

  #onGathered(now: number): BsdpClientAction[] {
    const servers = this.found;
    const listed: BsdpClientAction = { type: "listed", servers };
    this.#choice = (this.#options.choose ?? chooseByKeyN)(servers);
    if (this.#choice === undefined) return [listed, ...this.#end("nothing-chosen")];
    this.#state = "selecting";
    // Retries of one question keep its number, the next question has the next one.
    this.#xid = (this.#xid + 1) >>> 0;
    return [listed, ...this.#firstTry(now)];
  }

  #onSelected({ packet, server, options }: BsdpAck, now: number): BsdpClientAction[] {
    if (server !== this.#choice?.server) return this.#drop("not the chosen server");
    if (options.messageType === BsdpMessage.failed) {
      this.#failures += 1;
      // The panel tells the person; firmware begins anew, but not for ever.
      if (this.#options.profile === "startup-disk" || this.#failures > 1) return this.#end("failed");
      this.#state = "resting";
      this.#xid = (this.#xid + 1) >>> 0;
      this.#deadline = now + AFTER_FAILED_MS;
      return [];
    }
    if (options.messageType !== BsdpMessage.select) return this.#drop("another BSDP message");
    this.#state = "ended";
    this.#deadline = Number.POSITIVE_INFINITY;
    const rootPath = optionData(packet, Option.rootPath);
    const { machineName } = options;
    return [
      {
        type: "boot",
        server,
        image: options.selectedImage ?? this.#choice.image,
        tftpServer: packet.siaddr,
        file: packet.file,
        ...(rootPath === undefined ? {} : { rootPath: new TextDecoder().decode(rootPath) }),
        ...(machineName === undefined ? {} : { machineName }),
      },
    ];
  }

  #firstTry(now: number): BsdpClientAction[] {
    this.#tries = 0;
    this.#waitMs = profiles[this.#options.profile].listFirstMs;
    return this.#nextTry(now);
  }

  #nextTry(now: number): BsdpClientAction[] {
    const profile = profiles[this.#options.profile];
    // The panel adds chance to the list's waits alone: a whole room may be told to look at once.
    const hasFuzz = this.#state === "listing" || this.#options.profile === "firmware";
    this.#deadline = now + this.#waitMs + (hasFuzz ? this.#options.random() * profile.fuzzMs : 0);
    this.#waitMs = Math.min(2 * this.#waitMs, profile.listMostMs);
    this.#tries += 1;
    const packet =
      this.#choice === undefined
        ? listRequest(this.#options, this.#xid)
        : selectRequest(this.#options, this.#xid, this.#choice);
    return [{ type: "send", packet }];
  }

  #end(reason: Extract<BsdpClientAction, { type: "end" }>["reason"]): BsdpClientAction[] {
    this.#state = "ended";
    this.#deadline = Number.POSITIVE_INFINITY;
    return [{ type: "end", reason }];
  }

  #drop(reason: string): BsdpClientAction[] {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
    return [];
  }
}

/**
 * What firmware takes when N is held down: the image that a server remembers
 * for this Mac, else the default image of the server with the highest priority.
 *
 * @param servers the highest priority first
 */
export function chooseByKeyN(servers: readonly FoundServer[]): BsdpChoice | undefined {
  const bound = servers.find((server) => server.selectedImage !== undefined);
  const server = bound ?? servers[0];
  return server && { server: server.address, image: server.selectedImage ?? server.defaultImage };
}
