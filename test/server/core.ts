import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { pino } from "pino";
import type { Inventory, Report } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../../server/db/database.ts";
import { EventLog } from "../../server/events.ts";
import type { Approval } from "../../server/hosts/enrolment/admission.ts";
import { Enrolment } from "../../server/hosts/enrolment/enrolment.ts";
import { HostDesk } from "../../server/hosts/host-desk.ts";
import { HostImports } from "../../server/hosts/host-import.ts";
import { HostOverview } from "../../server/hosts/host-overview.ts";
import { Hosts } from "../../server/hosts/hosts.ts";
import { Waker } from "../../server/hosts/wake.ts";
import type { StreamOwners } from "../../server/leases/stream-owners.ts";
import { Alive } from "../../server/orders/alive.ts";
import { Conductor } from "../../server/orders/conductor.ts";
import {
  DeployStreams,
  type StreamNow,
  type StreamOpener,
  type StreamWanted,
} from "../../server/orders/deploy-streams.ts";
import { Deploys } from "../../server/orders/deploys.ts";
import { Orders } from "../../server/orders/orders.ts";
import { OrderReports } from "../../server/orders/reports.ts";
import { Sessions } from "../../server/orders/sessions.ts";
import { testDatabase } from "./databases.ts";

export const NETWORK = "10.77.0.1";

type SiteKeys = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

type CoreOptions = {
  /** Of a server that was there before; a new one unless given. */
  readonly siteKey?: SiteKeys;
  readonly isRegistering?: boolean;
  readonly hasMenu?: boolean;
  readonly approve?: Approval;
  /** Where several servers work on the database. */
  readonly owners?: (core: Pick<Core, "db" | "events">) => StreamOwners;
};

/** The server's decisions with a database of their own, a clock that is moved by hand, and streams that only count. */
export class Core {
  nowMs = 1_000_000;
  readonly siteKey: SiteKeys;
  readonly log = pino({ level: "silent" });
  readonly opened: StreamWanted[] = [];
  readonly closed: string[] = [];
  /** Names of hosts that were woken by orders. */
  readonly woken: string[] = [];
  /** Set to make the next ones fail. */
  wakeFault: Fault | undefined;
  /** Set to make the next streams fail to open. */
  streamFault: Fault | undefined;
  readonly db: Database;
  readonly events: EventLog;
  readonly enrolment: Enrolment;
  readonly hosts: Hosts;
  readonly desk: HostDesk;
  readonly streams: DeployStreams;
  readonly reports: OrderReports;
  readonly alive: Alive;
  readonly orders: Orders;
  readonly deploys: Deploys;
  readonly conductor: Conductor;
  /** Streams that a person did not want to wait for. */
  readonly startedNow: string[] = [];
  /** How many hosts the streams wait for at most, the last word of each. */
  readonly expected = new Map<string, number>();
  readonly sessions: Sessions;
  readonly #running = new Map<string, StreamNow>();

  constructor(db: Database, options: CoreOptions = {}) {
    const now = () => this.nowMs;
    this.siteKey = options.siteKey ?? generateKeyPairSync("ed25519");
    this.db = db;
    this.events = new EventLog(db, now);
    this.enrolment = new Enrolment({ db, events: this.events, now });
    const { approve = "auto" } = options;
    this.hosts = new Hosts({ db, events: this.events, names: "lab-{nn}", approve, enrolment: this.enrolment });
    this.desk = new HostDesk({ events: this.events, hosts: this.hosts });
    this.streams = new DeployStreams({ db, opener: this.#opener(), owners: options.owners?.(this), log: this.log });
    const signed = (text: string) => sign(null, Buffer.from(text), this.siteKey.privateKey).toString("base64");
    const { progress } = this.hosts;
    this.reports = new OrderReports({ db, events: this.events, streams: this.streams, progress, sign: signed, now });
    const urlOf = (address: string) => `http://${address}:8440`;
    this.alive = new Alive({ db, events: this.events, sign: signed, now, urlOf });
    this.orders = new Orders({
      db,
      events: this.events,
      hosts: this.hosts,
      streams: this.streams,
      isRegistering: options.isRegistering ?? true,
      hasMenu: options.hasMenu ?? false,
      reports: this.reports,
      alive: this.alive,
      waitMs: 30 * 60_000,
      now,
    });
    this.deploys = new Deploys({
      db,
      events: this.events,
      hosts: this.hosts,
      findImage: async (name, version = 1) => {
        if (name === "lab-debian") return { name, version, diskBytes: 2e9, sectorBytes: 512, storedBytes: 1e9 };
        throw new Fault("IMAGE_MISSING", { what: `No ${name}.`, why: "Never imported.", fix: "Import it." });
      },
      now,
    });
    this.conductor = new Conductor({
      db,
      events: this.events,
      streams: this.streams,
      now,
      wake: async (asleep) => {
        if (this.wakeFault !== undefined) throw this.wakeFault;
        this.woken.push(...asleep.map(({ name }) => name));
      },
    });
    this.sessions = new Sessions({ db, streams: this.streams, progress, now });
  }

  static async open(options: { path?: string } & CoreOptions = {}): Promise<Core> {
    return new Core(await testDatabase(options.path), options);
  }

  /** What the routes of hosts need; magic packets go nowhere. */
  hostParts() {
    const { db, events, hosts, desk } = this;
    return {
      db,
      hosts,
      desk,
      imports: new HostImports({ events, hosts, names: "lab-{nn}" }),
      overview: new HostOverview({ db, now: () => this.nowMs }),
      waker: new Waker({ db, events, networks: () => [] }),
    };
  }

  /** A stream that ended by itself. */
  endStream(streamId: string): void {
    this.#running.delete(streamId);
  }

  report(hostId: string, state: Report["state"], deployId: number | undefined, more: Partial<Report> = {}) {
    const order = deployId === undefined ? {} : { deployId: String(deployId) };
    return this.reports.report(hostId, { state, detail: "", ...order, ...more });
  }

  #opener(): StreamOpener {
    return {
      open: async (wanted) => {
        if (this.streamFault !== undefined) throw this.streamFault;
        const fresh = (this.opened.push(wanted) + 0xabc0).toString(16).padStart(16, "0");
        const streamId = wanted.streamId ?? fresh;
        const figures = {
          streamId,
          image: wanted.image,
          imageVersion: wanted.imageVersion,
          state: "open",
          waitingFor: "",
          rateBytesPerSecond: 0,
          mode: "fixed",
          mostBytesPerSecond: 1e6,
          rateWhy: "",
          sentBytes: 0,
          refused: 0,
          pass: 1,
          blocks: 10,
        } as const;
        const group = { group: "239.192.66.1", port: 7801, rateBytesPerSecond: 1e6 };
        const { interfaceAddress } = wanted;
        this.#running.set(streamId, {
          streamId,
          interfaceAddress,
          state: "open",
          waitingFor: "",
          receivers: 0,
          figures: { ...figures, receivers: [] },
          ...group,
        });
        return streamId;
      },
      now: (streamId) => this.#running.get(streamId),
      expectAtMost: (streamId, hosts) => void this.expected.set(streamId, hosts),
      start: (streamId) => {
        if (this.#running.get(streamId)?.state !== "open") return false;
        this.startedNow.push(streamId);
        return true;
      },
      close: async (streamId) => {
        this.#running.delete(streamId);
        this.closed.push(streamId);
      },
    };
  }
}

/** A machine as its agent describes it. `number` makes its address. */
export function machine(number: number, more: Partial<Inventory> = {}): Inventory {
  return {
    mac: `52:54:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`,
    uuid: "",
    serial: "",
    vendor: "QEMU",
    model: "Standard PC",
    firmware: "bios",
    memoryBytes: 2 ** 30,
    cpuCount: 1,
    nics: [],
    disks: [
      {
        path: "/dev/vda",
        sizeBytes: 5e9,
        sectorBytes: 512,
        model: "",
        serial: "",
        wwn: "",
        transport: "virtio",
        isRemovable: false,
        isReadOnly: false,
        usedBy: [],
      },
    ],
    agentVersion: "0.1.0",
    ...more,
  };
}
