import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type CaptureClient, captureClient } from "../../../agent/capture/client.ts";
import { captureScan } from "../../../agent/capture/scan.ts";
import { realClock } from "../../../agent/client/backoff.ts";
import { CONTRACT_VERSION, type Registration } from "../../../agent/contract.ts";
import type { StepProgress } from "../../../agent/step-progress.ts";
import type { BlockSource } from "../../../images/block.ts";
import { CaptureManifests } from "../../../server/capture/manifests.ts";
import { CaptureOrders } from "../../../server/capture/orders.ts";
import { captureRoutes } from "../../../server/capture/routes.ts";
import { CaptureUploads } from "../../../server/capture/uploads.ts";
import { agentRoutes } from "../../../server/http/agent-api.ts";
import { createHttp, type HttpServer, listenTcp } from "../../../server/http/http.ts";
import { StoreCells } from "../../../server/store/cells.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { loadSiteKey, type SiteKey } from "../../../server/store/keys.ts";
import { type ImageStore, openStore } from "../../../server/store/store.ts";
import { Core, machine, NETWORK } from "../core.ts";

/** A server with a store on a real disk and routes on a real port, as far as captures need it. */
export class CaptureSite {
  readonly core: Core;
  readonly directory: string;
  readonly siteKey: SiteKey;
  readonly store: ImageStore;
  freeBytes = 1e12;
  captures!: CaptureOrders;
  http!: HttpServer;
  url!: URL;

  private constructor(core: Core, directory: string, siteKey: SiteKey, store: ImageStore) {
    this.core = core;
    this.directory = directory;
    this.siteKey = siteKey;
    this.store = store;
  }

  /** @param options.isSealed the store is sealed, its key beside it */
  static async open(t: Pick<TestContext, "after">, options: { isSealed?: boolean } = {}): Promise<CaptureSite> {
    const directory = await mkdtemp(join(tmpdir(), "bootcast-capture-"));
    const siteKey = await loadSiteKey(directory);
    const keys = new StoreKeyFile(join(directory, "store.key"), join(directory, "store"));
    if (options.isSealed === true) await keys.make();
    const site = new CaptureSite(
      await Core.open(),
      directory,
      siteKey,
      await openStore(join(directory, "store"), [siteKey.publicKey], options.isSealed === true ? { keys } : {}),
    );
    await site.start();
    t.after(async () => {
      await site.http.close();
      await site.core.db.destroy();
      await rm(directory, { recursive: true });
    });
    return site;
  }

  /** The server again, with nothing in memory; on the same port when it had one. */
  async restart(): Promise<void> {
    await this.http.close();
    await this.start(Number(this.url.port));
  }

  async start(port = 0): Promise<void> {
    const { core, store, siteKey } = this;
    const { db, hosts, orders, reports, alive, events, log } = core;
    const now = () => core.nowMs;
    const freeBytes = async () => this.freeBytes;
    this.captures = new CaptureOrders({ db, events, hosts, versionsOf: (name) => store.versions(name), freeBytes });
    this.http = createHttp(log);
    agentRoutes(this.http, { hosts, orders, reports, alive, events, now, interfaceAddressOf: () => NETWORK });
    const uploads = new CaptureUploads({ store, cells: new StoreCells(store, log), freeBytes });
    const manifests = new CaptureManifests({ db, events, store, siteKey, log, now });
    await this.http.register(captureRoutes({ db, hosts, events, uploads, manifests }));
    this.url = new URL(`http://127.0.0.1:${await listenTcp(this.http, "127.0.0.1", port)}`);
  }

  /** A machine with a disk of this size that has registered, with an order to capture it, which it has begun. */
  async begin(
    number: number,
    diskBytes: number,
    more: { image?: string; notes?: string } = {},
  ): Promise<{ host: Registration; deployId: number }> {
    const disk = { ...machine(number).disks[0]!, sizeBytes: diskBytes };
    const inventory = machine(number, { disks: [disk], contract: CONTRACT_VERSION });
    const host = await this.core.hosts.register(inventory);
    const { deployId } = await this.captures.create({ host: host.hostId, ...more });
    await this.core.report(host.hostId, "capturing", deployId);
    return { host, deployId };
  }

  client(host: Registration, deployId: number, signal = new AbortController().signal): CaptureClient {
    return captureClient({
      server: this.url,
      host,
      deployId: String(deployId),
      clock: realClock,
      signal,
      say: () => undefined,
    });
  }

  /** All of a capture but the machine. */
  async capture(
    source: BlockSource,
    host: Registration,
    deployId: number,
    more: { signal?: AbortSignal; client?: CaptureClient; onProgress?: (progress: StepProgress) => void } = {},
  ): Promise<{ imageVersion: number; sent: string; warnings: readonly string[] }> {
    const signal = more.signal ?? new AbortController().signal;
    const client = more.client ?? this.client(host, deployId, signal);
    let sent = "";
    try {
      const captured = await captureScan({
        source,
        sectorBytes: 512,
        image: "lab-01",
        keepFreeBlocks: false,
        client,
        clock: realClock,
        signal,
        onProgress: more.onProgress ?? (() => undefined),
        beforeFinish: async (text) => {
          sent = text;
        },
      });
      return { ...captured, sent };
    } finally {
      await client.close();
    }
  }
}

type Call = "cells" | "keep" | "put" | "finish";

/** A client that counts what goes through it; `before` may wait or throw, `kept` hears of each pack that arrived. */
export function counted(
  client: CaptureClient,
  { before = async () => {}, kept = () => {} }: { before?: (call: Call) => Promise<void>; kept?: () => void } = {},
) {
  const counts = { packs: 0, bytes: 0 };
  const counting: CaptureClient = {
    async cells(lists) {
      await before("cells");
      return client.cells(lists);
    },
    async keep(parcel) {
      await before("keep");
      const answer = await client.keep(parcel);
      counts.packs += 1;
      counts.bytes += parcel.pack.length;
      kept();
      return answer;
    },
    async put(offset, piece) {
      await before("put");
      return client.put(offset, piece);
    },
    async finish(finish) {
      await before("finish");
      return client.finish(finish);
    },
    close: () => client.close(),
  };
  return { counts, client: counting };
}

/** The sixth pack of a client comes when five have arrived, and then `then` happens. */
export function afterFivePacks(client: CaptureClient, then: () => Promise<void>) {
  const five = Promise.withResolvers<void>();
  let begun = 0;
  let arrived = 0;
  return counted(client, {
    before: async (call) => {
      if (call !== "keep") return;
      begun += 1;
      if (begun <= 5) return;
      await five.promise;
      await then();
    },
    kept: () => {
      arrived += 1;
      if (arrived === 5) five.resolve();
    },
  });
}
