import { createHash, hkdfSync } from "node:crypto";
import type { Logger } from "pino";
import { signerAmong } from "../../images/signature.ts";
import type { Config } from "../../server/config/config.ts";
import type { NewEvent } from "../../server/events.ts";
import type { StreamTraits } from "../../server/leases/stream-owners.ts";
import type { StreamOpener } from "../../server/orders/deploy-streams.ts";
import type { SiteKey } from "../../server/store/keys.ts";
import type { ImageStore } from "../../server/store/store.ts";
import type { StreamEvent, StreamHub } from "../../server/stream/hub.ts";
import { symbolBytesFor } from "../../server/stream/jumbo.ts";
import { openLanGuard } from "../../server/stream/lan-guard.ts";

/** What the keys of this site's encrypted streams follow from: the same after a restart, known to nobody else. */
function streamSecret({ privateKey }: SiteKey): Uint8Array {
  const secret = privateKey.export({ type: "pkcs8", format: "der" });
  return new Uint8Array(hkdfSync("sha256", secret, "", "bootcast stream secret 1", 32));
}

/** What is the same at every server that could go on with the stream of an image. */
export function streamTraits({ store, config }: { store: ImageStore; config: Config }): StreamTraits {
  return async (image, imageVersion) => {
    const { bytes } = await store.readManifest(image, imageVersion);
    const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    const isSealed = config.values["multicast.encrypt"] ? "encrypted" : "plain";
    return `manifest ${digest}, port ${config.values["multicast.port"]}, ${isSealed}`;
  };
}

/** Opens the streams of deploys: images from the store, group and rate from the configuration. */
export function streamOpener(options: {
  readonly hub: StreamHub;
  readonly store: ImageStore;
  readonly key: SiteKey;
  readonly config: Config;
  readonly log: Logger;
  /** Hears what the network of a stream needs, and when a stream waits for it. */
  tell(event: NewEvent): void;
}): StreamOpener {
  const { hub, store, key, config, log } = options;
  const find = (streamId: string) => hub.list().find((stream) => stream.streamId === streamId);
  const interfaceOf = new Map<string, string>();
  const lan = openLanGuard({ allowWifi: config.values["multicast.allow_wifi"], whenTaken: "next" });
  const onEvent = (deployId: number, event: StreamEvent) => {
    log.debug({ deployId, event }, "stream");
    if (event.type !== "lan") return;
    const { probe, status, detail, fix } = event.finding;
    if (status !== "ok") log.warn({ deployId, probe, detail, fix }, "the network needs attention");
    // What is well is told only where it ends something: a hold.
    if (status !== "ok" || probe === "guard")
      options.tell({ kind: "stream.network", deployId, data: { ...event.finding } });
  };
  return {
    async open(wanted) {
      const { bytes, manifest } = await store.readManifest(wanted.image, wanted.imageVersion);
      const stream = await hub.create({
        ...(wanted.streamId === undefined ? {} : { streamId: wanted.streamId }),
        manifest,
        manifestBytes: bytes,
        signer: signerAmong(bytes, key.trusted) ?? key.publicKey,
        packs: store,
        group: wanted.group ?? config.values["multicast.group"],
        port: config.values["multicast.port"],
        interfaceAddress: wanted.interfaceAddress,
        rateBytesPerSecond: config.values["multicast.rate"],
        symbolBytes: await symbolBytesFor(config.values["multicast.jumbo"], {
          interfaceAddress: wanted.interfaceAddress,
          rateBytesPerSecond: config.values["multicast.rate"],
        }),
        mode: config.values["multicast.mode"],
        ...(config.values["multicast.encrypt"] ? { encrypt: { secret: streamSecret(key) } } : {}),
        waitFor: wanted.waitFor,
        maxWaitMs: wanted.maxWaitMs,
        // Hosts that come late get another pass; the deploy closes the stream when no order is open.
        once: false,
        isOneByUnicast: true,
        lan,
        onEvent: (event) => onEvent(wanted.deployId, event),
      });
      interfaceOf.set(stream.streamId, wanted.interfaceAddress);
      return stream.streamId;
    },
    now(streamId) {
      const stream = find(streamId);
      if (stream === undefined) return undefined;
      const { description, state, receivers } = stream.info();
      const { group, port, rateBytesPerSecond } = description;
      const interfaceAddress = interfaceOf.get(streamId) ?? "";
      return {
        streamId,
        interfaceAddress,
        state,
        receivers,
        waitingFor: stream.waitingFor,
        group,
        port,
        rateBytesPerSecond,
        figures: stream.figures(),
      };
    },
    expectAtMost(streamId, hosts) {
      find(streamId)?.expectAtMost(hosts);
    },
    start(streamId, reason) {
      const stream = find(streamId);
      // Without anybody there it would begin for nobody.
      if (stream === undefined || stream.state !== "open" || stream.waitingFor === "") return false;
      if (stream.info().receivers === 0) return false;
      stream.startNow(reason);
      return true;
    },
    async close(streamId) {
      interfaceOf.delete(streamId);
      const stream = find(streamId);
      stream?.stop("the session has ended");
      await stream?.ended;
    },
  };
}
