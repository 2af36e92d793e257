import { type createPublicKey, generateKeyPairSync } from "node:crypto";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import type { ReceiveOptions } from "../../../agent/stream/receive-options.ts";
import type { BlockSource, BlockTarget } from "../../../images/block.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { type PackReader, rawFilePacks } from "../../../images/pack-reader.ts";
import { scan } from "../../../images/scan.ts";
import { createHttp } from "../../../server/http/http.ts";
import { openStreamHub, type RunningStream, type StreamHub, type StreamOptions } from "../../../server/stream/hub.ts";
import { streamRoutes } from "../../../server/stream/routes.ts";
import { randomOf } from "../../multicast/streams.ts";

export const silentLog = pino({ level: "silent" });
export const loopback = "127.0.0.1";

/** A disk in memory; it remembers the order of what was done to it. */
export class MemoryDisk implements BlockSource, BlockTarget {
  readonly bytes: Uint8Array;
  readonly done: ({ readonly write: number; readonly length: number } | "flush")[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.bytes.set(bytes, offset);
    this.done.push({ write: offset, length: bytes.length });
  }

  async flush(): Promise<void> {
    this.done.push("flush");
  }
}

/** A disk with an MBR, cells that do not compress, cells that are equal, and zeros. */
export function goldenDisk(diskBytes = 3 * 1024 * 1024 + 512): MemoryDisk {
  const random = randomOf(1);
  const bytes = Buffer.alloc(diskBytes);
  bytes.writeUInt8(0x83, 446 + 4);
  bytes.writeUInt32LE(128, 446 + 8);
  bytes.writeUInt32LE(diskBytes / 512 - 128, 446 + 12);
  bytes.writeUInt16LE(0xaa55, 510);
  for (let at = 65_536; at < 1_700_000; at += 1) bytes[at] = random() * 256;
  bytes.copy(bytes, 30 * 65_536, 65_536, 2 * 65_536);
  bytes.fill(7, diskBytes - 300);
  return new MemoryDisk(bytes);
}

export type Site = {
  readonly server: URL;
  readonly manifest: Manifest;
  readonly golden: MemoryDisk;
  readonly hub: StreamHub;
  readonly app: ReturnType<typeof createHttp>;
  readonly trusted: readonly [ReturnType<typeof createPublicKey>];
  open(options?: Partial<StreamOptions>): ReturnType<StreamHub["create"]>;
  close(): Promise<void>;
};

export type SiteOptions = {
  readonly golden?: MemoryDisk;
  readonly packs?: (right: PackReader) => PackReader;
  readonly hub?: (hub: StreamHub) => StreamHub;
  readonly budgetBytesPerSecond?: number;
};

let nextPort = 10_000 + ((process.pid * 61) % 20_000);

/**
 * A port for a group: of those that the system gives nobody by itself, and another one than in the tests that run beside
 * these, whose process numbers are close.
 */
export function groupPort(): number {
  nextPort += 1;
  return nextPort;
}

/** A server on the loopback interface with one image. `packs` may replace where its packs come from. */
export async function openSite(change: SiteOptions = {}): Promise<Site> {
  const golden = change.golden ?? goldenDisk();
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const manifest = await scan(golden, {
    tag: { name: "golden", version: 1, builder: "test", createdAtMs: 0, notes: "" },
    codec: "stored",
    onPack: async () => undefined,
  });
  const manifestBytes = encodeManifest(manifest, privateKey);
  const right = rawFilePacks(golden, manifest);
  const packs = change.packs?.(right) ?? right;
  const { budgetBytesPerSecond } = change;
  const hub = openStreamHub({
    log: silentLog,
    ...(budgetBytesPerSecond === undefined ? {} : { budgetBytesPerSecond }),
  });
  const app = createHttp(silentLog);
  await app.register(streamRoutes(change.hub?.(hub) ?? hub));
  await app.listen({ host: loopback, port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    server: new URL(`http://${loopback}:${port}`),
    manifest,
    golden,
    hub,
    app,
    trusted: [publicKey],
    open(options) {
      return hub.create({
        manifest,
        manifestBytes,
        signer: publicKey,
        packs,
        group: "239.192.99.1",
        port: groupPort(),
        interfaceAddress: loopback,
        rateBytesPerSecond: 20_000_000,
        waitFor: 1,
        maxWaitMs: 0,
        once: true,
        ttl: 0,
        ...options,
      });
    },
    async close() {
      await hub.close();
      await app.close();
    },
  };
}

/** What a restore from `stream` of a site is called with. */
export function optionsFor(
  site: Site,
  stream: RunningStream,
  target: MemoryDisk,
  more: Partial<ReceiveOptions> = {},
): ReceiveOptions {
  return {
    server: site.server,
    streamId: stream.streamId,
    trusted: site.trusted,
    target,
    name: "test",
    interfaceAddress: loopback,
    beforeWrite: async () => ({ isZeroed: false }),
    log: silentLog,
    ...more,
  };
}

/** A disk that holds something else, `more` bytes larger than the image. */
export function dirtyDisk(site: Site, more = 0): MemoryDisk {
  return new MemoryDisk(new Uint8Array(site.manifest.diskBytes + more).fill(0xee));
}
