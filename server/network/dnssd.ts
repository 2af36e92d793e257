import { hostname, networkInterfaces } from "node:os";
import BonjourService from "bonjour-service";
import type { Logger } from "pino";
import { SERVICE_TYPE, SERVICE_VERSION, STREAM_SERVICE_TYPE } from "../../agent/contract.ts";

export type AdvertiseOptions = {
  /** Each gets its own responder that speaks of its own address only. */
  readonly interfaces: readonly { readonly name: string; readonly address: string }[];
  /** The HTTP port. */
  readonly port: number;
  /** Fingerprint of the site key: agents take a server whose key they trust. */
  readonly key: string;
  /** Among several servers the highest wins. */
  readonly priority: number;
  readonly log: Logger;
};

export type Advertisement = {
  /** Says goodbye, so that browsers forget the service at once. */
  stop(): Promise<void>;
};

/** Probing takes up to one second (RFC 6762 section 8.1); after this something is wrong. */
const upWithinMs = 5000;
const goodbyeWithinMs = 1000;

/**
 * Advertises the server as `_bootcast._tcp` on each interface, with the TXT records v, key and priority: that is one of
 * three ways in which agents find their server.
 */
export function advertise(options: AdvertiseOptions): Promise<Advertisement> {
  const { interfaces, port, key, priority, log } = options;
  return announce({
    interfaces,
    port,
    log,
    type: SERVICE_TYPE,
    // The address makes the name unique on its link: a taken name would silence the responder.
    nameAt: (plainAddress) => `bootcast ${hostname().split(".")[0]?.slice(0, 30)} ${plainAddress}`,
    txt: { v: SERVICE_VERSION, key, priority: String(priority) },
  });
}

/**
 * Advertises one stream of `bootcast stream` as `_bootcast-stream._tcp`, with the TXT records v, key (the fingerprint of
 * the key that signed the image) and image (NAME:VERSION). Another type than the server's: agents look for servers.
 */
export function advertiseStream(options: {
  /** The own address that the stream is sent from. */
  readonly address: string;
  /** Of the control connection. */
  readonly port: number;
  readonly image: string;
  readonly key: string;
  readonly log: Logger;
}): Promise<Advertisement> {
  const { address, port, image, key, log } = options;
  return announce({
    interfaces: [{ name: address, address }],
    port,
    log,
    type: STREAM_SERVICE_TYPE,
    nameAt: (plainAddress) => `${image.slice(0, 30).replaceAll(/[.:]/g, "-")} ${plainAddress} ${port}`,
    txt: { v: SERVICE_VERSION, key, image },
  });
}

type Announcement = Pick<AdvertiseOptions, "interfaces" | "port" | "log"> & {
  readonly type: string;
  /** Unique on the link; the address has "-" for ".". */
  readonly nameAt: (plainAddress: string) => string;
  readonly txt: Readonly<Record<string, string>>;
};

/**
 * Announces a service by multicast DNS (RFC 6762, 6763) on each interface. It never throws and never ends the process:
 * an interface on which it fails is logged, the others go on.
 *
 * What `bonjour-service` 1.4.4 does badly is kept away here: it names the addresses of all interfaces, sends on one
 * interface only, throws out of socket callbacks, and falls silent when the name is taken. What stays: it answers at
 * once and with everything (no known-answer suppression), so a few packets more than needed go out.
 */
async function announce(options: Announcement): Promise<Advertisement> {
  const present = new Set(
    Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address)),
  );
  const responders = options.interfaces
    .filter((network) => {
      if (present.has(network.address)) return true;
      // Without this, its announcements would leave through the default route: on another network.
      options.log.warn({ interface: network.name, address: network.address }, "dns-sd: no interface has this address");
      return false;
    })
    .map((network) => startResponder(network, options));
  return {
    async stop() {
      await Promise.all(responders.map((stop) => stop()));
    },
  };
}

/** The parts of `bonjour-service` that its types hide. */
type Inside = {
  readonly server: {
    readonly mdns: NodeJS.EventEmitter;
  };
};

function startResponder(
  network: { readonly name: string; readonly address: string },
  { port, type, nameAt, txt, log: parent }: Announcement,
): () => Promise<void> {
  const log = parent.child({ interface: network.name, address: network.address });
  let hasFailed = false;
  const onError = (error: unknown) => {
    hasFailed = true;
    log.warn({ err: error }, "dns-sd: not advertised here; the server is still found by its address");
  };
  // `bind`: a socket that is bound to the interface's own address would not get multicast.
  const settings = { interface: network.address, bind: "0.0.0.0" };
  const bonjour = new BonjourService(settings as object, onError);
  // Without a listener, a taken port 5353 would end the process.
  (bonjour as unknown as Inside).server.mdns.on("error", onError);
  (bonjour as unknown as Inside).server.mdns.on("warning", (error) => log.debug({ err: error }, "dns-sd: warning"));

  const plainAddress = network.address.replaceAll(".", "-");
  const service = bonjour.publish({
    name: nameAt(plainAddress),
    type,
    protocol: "tcp",
    port,
    // A name of our own: the host's name belongs to avahi or systemd-resolved, which list other addresses for it.
    host: `bootcast-${plainAddress}.local`,
    txt,
  });
  // Nothing is announced before the probes are over, so all records come through here.
  const recordsOfAllInterfaces = service.records.bind(service);
  service.records = () => [
    ...recordsOfAllInterfaces().filter(({ type }) => type !== "A" && type !== "AAAA"),
    { name: service.host, type: "A", ttl: 120, data: network.address },
  ];

  const deadline = setTimeout(() => {
    if (hasFailed) return;
    log.warn({ name: service.name }, "dns-sd: not announced in 5 s; is the name taken, or the interface down?");
  }, upWithinMs);
  service.once("up", () => {
    clearTimeout(deadline);
    log.info({ name: service.name, port }, "dns-sd: advertised");
  });
  return async () => {
    clearTimeout(deadline);
    await within(goodbyeWithinMs, (done) => bonjour.unpublishAll(done));
    await within(goodbyeWithinMs, (done) => bonjour.destroy(done));
  };
}

/** Waits for a callback, but never longer than `limitMs` and never for one that throws. */
function within(limitMs: number, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, limitMs);
    const done = () => {
      clearTimeout(limit);
      resolve();
    };
    try {
      start(done);
    } catch {
      // A socket that never opened cannot be closed. There is nothing left of it either.
      done();
    }
  });
}
