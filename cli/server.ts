import { sign } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:fs";
import { access, chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { agentRoutes } from "../server/agent-api.ts";
import { bootTraceRoutes, recentBoots } from "../server/api/boot-routes.ts";
import { bootScriptRoutes } from "../server/api/boot-script-routes.ts";
import { hostBootRoutes } from "../server/api/host-boot-routes.ts";
import { apiRoutes } from "../server/api/routes.ts";
import { BootTexts } from "../server/boot/boot-texts.ts";
import { bootRoutes } from "../server/boot/routes.ts";
import { tftpTexts } from "../server/boot/tftp-texts.ts";
import { BootClients } from "../server/boot-clients.ts";
import { BootTraceService } from "../server/boot-trace-service.ts";
import type { Config } from "../server/config.ts";
import { openDatabase } from "../server/db/database.ts";
import { databaseLeases } from "../server/db/leases.ts";
import { DeployStreams } from "../server/deploy-streams.ts";
import { Deploys } from "../server/deploys.ts";
import { startDhcp } from "../server/dhcp.ts";
import type { DhcpCounters } from "../server/dhcp-settings.ts";
import { advertise } from "../server/dnssd.ts";
import { EventLog } from "../server/events.ts";
import { HostBoot } from "../server/host-boot-settings.ts";
import { Hosts } from "../server/hosts.ts";
import { createHttp, listenTcp, onlyAt, plainAddress } from "../server/http.ts";
import { limitConnections } from "../server/http-connections.ts";
import { InterfaceWatch } from "../server/interface-watch.ts";
import { type ServedInterface, servedInterfaces } from "../server/interfaces.ts";
import { loadSiteKey } from "../server/keys.ts";
import { Orders } from "../server/orders.ts";
import { Sessions } from "../server/sessions.ts";
import { openStore } from "../server/store.ts";
import { openStreamHub } from "../server/stream/hub.ts";
import { streamRoutes } from "../server/stream/routes.ts";
import { startTftp } from "../server/tftp/server.ts";
import { machineMenuOf } from "./boot-menu.ts";
import { controlSocketOf } from "./control-socket.ts";
import { bootFilesOf, bundlesOf, fullDhcpOf, leaseNetworksOf } from "./dhcp-wiring.ts";
import { streamOpener } from "./stream-opener.ts";
import { tftpLimitsOf } from "./tftp-wiring.ts";
import { VERSION } from "./version.ts";

/** A server that answers on all its ports. */
export type RunningServer = {
  readonly interfaces: readonly ServedInterface[];
  readonly httpPort: number;
  readonly tftpPort: number;
  /** Path of the UNIX socket of the API. */
  readonly controlSocket: string;
  stop(): Promise<void>;
};

/** Linux: sockaddr_un has 108 bytes, the last one is zero. */
const LONGEST_SOCKET_PATH_BYTES = 107;

/**
 * Starts every part of the server in the order in which they need each other.
 * When one cannot start, those before it are stopped again.
 *
 * @throws {Fault} of the part that cannot start
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const parts = new AsyncDisposableStack();
  try {
    const running = await start(config, log, parts);
    return { ...running, stop: () => parts.disposeAsync() };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function start(config: Config, log: Logger, parts: AsyncDisposableStack): Promise<Omit<RunningServer, "stop">> {
  const { values, dataDir } = config;
  const now = () => Date.now();
  const startedAtMs = now();
  const interfaces = servedInterfaces(values["network.interfaces"]);
  const addresses = interfaces.map(({ address }) => address);
  const bootDirectory = join(dataDir, "boot");
  await makeDirectories(dataDir, bootDirectory);
  const controlSocket = controlSocketOf(dataDir);
  await freeControlSocket(controlSocket);
  const watch = new InterfaceWatch({ served: interfaces, log });
  watch.start();
  parts.defer(() => watch.stop());

  const key = await loadSiteKey(dataDir);
  const store = await openStore(join(dataDir, "store"), [key.publicKey]);
  const db = await openDatabase(join(dataDir, "bootcast.db"));
  parts.defer(() => db.destroy());
  const leases = databaseLeases(db);
  parts.defer(() => leases.settled());
  const events = new EventLog(db, now);
  const hub = openStreamHub({ log: log.child({ part: "stream" }) });
  parts.defer(() => hub.close());
  const hosts = new Hosts({ db, events, names: values["hosts.names"] });
  const opener = streamOpener({ hub, store, key, config, log: log.child({ part: "stream" }) });
  const streams = new DeployStreams({ db, opener, log });
  const orders = new Orders({
    db,
    events,
    hosts,
    streams,
    isRegistering: values["network.register"],
    hasMenu: values["boot.menu"],
    waitMs: values["hosts.wait_minutes"] * 60_000,
    sign: (text) => sign(null, Buffer.from(text), key.privateKey).toString("base64"),
    now,
  });
  await streams.resume();
  const findImage = async (name: string, version: number | undefined) => {
    const { manifest } = await store.readManifest(name, version);
    const storedBytes = manifest.packs.reduce((sum, pack) => sum + pack.storedBytes, 0);
    return { name: manifest.tag.name, version: manifest.tag.version, diskBytes: manifest.diskBytes, storedBytes };
  };
  const deploys = new Deploys({ db, events, hosts, findImage });
  const hostBoot = new HostBoot({ db, events, networks: () => leaseNetworksOf(values, interfaces) });
  const secureBoot = values["boot.secure_boot"];
  const policyOf = async (mac: string) => hostBoot.applyTo(await orders.bootPolicyOf(mac), mac, { secureBoot });
  const clients = new BootClients(now);
  const boots = await BootTraceService.start({ db, events, clients, log: log.child({ part: "trace" }), now });
  parts.defer(() => boots.stop());
  const trace = boots.log;

  const http = createHttp(log.child({ part: "http" }));
  parts.defer(() => http.close());
  agentRoutes(http, {
    hosts,
    orders,
    events,
    now,
    interfaceAddressOf: (local) => addresses.find((address) => address === plainAddress(local)) ?? addresses[0]!,
  });
  await http.register(streamRoutes(hub));
  let httpPort = values["http.port"];
  const bundles = bundlesOf(config, { httpPort: () => httpPort, now, log: log.child({ part: "nbi" }) });
  parts.defer(() => bundles.stop());
  const menu = machineMenuOf(values, {
    hosts,
    deploys,
    events,
    findImage,
    policyOf,
    bootDirectory,
    now,
    log: log.child({ part: "menu" }),
  });
  const texts = new BootTexts({
    policyOf,
    kernelArgs: values["boot.kernel_args"],
    passServer: values["boot.pass_server"],
    menu,
  });
  await http.register(bootRoutes, {
    directory: bootDirectory,
    roots: bundles.roots,
    texts,
    trace,
    log: log.child({ part: "boot" }),
  });
  // One network: that address only. Several: one listener, which serves these addresses only.
  onlyAt(http, addresses);
  limitConnections(http.server, { total: values["http.max_connections"], perClient: values["http.max_per_client"] });
  httpPort = await listenTcp(http, addresses.length === 1 ? addresses[0]! : "0.0.0.0", values["http.port"]);

  // Their root paths name our HTTP port, which is known only now.
  await bundles.start();

  const tftp = await startTftp({
    addresses,
    ...tftpLimitsOf(values, { clients, hostBoot }),
    root: bootDirectory,
    roots: bundles.roots,
    generate: tftpTexts({ texts, httpPort }),
    trace,
    log: log.child({ part: "tftp" }),
    now,
  });
  parts.defer(() => tftp.stop());

  let dhcpCounters: DhcpCounters | undefined;
  if (values["network.dhcp"] !== "off") {
    const bootFiles = bootFilesOf(values, { bootDirectory, httpPort, bundles });
    const dhcp = await startDhcp({
      interfaces,
      mode: values["network.dhcp"],
      policyOf,
      bootFiles,
      macs: {
        boundImageOf: async (mac) => (await hostBoot.of(mac)).netBootImage,
        nameOf: async (mac) => hosts.nameOfMac(mac),
        minimumSeconds: values["bsdp.minimum_seconds"],
      },
      ...(values["network.dhcp"] === "full"
        ? { full: fullDhcpOf(values, { leases, hostBoot }) }
        : {}),
      trace,
      clients,
      log: log.child({ part: "dhcp" }),
      now,
    });
    parts.defer(() => dhcp.stop());
    dhcpCounters = dhcp.counters;
  }

  if (values["dnssd.enabled"]) {
    const priority = values["bsdp.priority"];
    const service = { interfaces, port: httpPort, key: key.fingerprint, priority, log: log.child({ part: "dnssd" }) };
    const advertisement = await advertise(service);
    parts.defer(() => advertisement.stop());
  }

  const api = createHttp(log.child({ part: "api" }));
  parts.defer(() => api.close());
  bootScriptRoutes(api, { texts, hosts, server: () => `http://${addresses[0]}:${httpPort}` });
  hostBootRoutes(api, { hosts, hostBoot, policyOf, secureBoot });
  apiRoutes(api, {
    hosts,
    deploys,
    sessions: new Sessions({ db, events, streams, now }),
    streams,
    events,
    listImages: async () =>
      (
        await store.listImages(({ name, version, fault }) =>
          log.warn({ image: `${name}:${version}`, fault }, "an image is damaged and not listed"),
        )
      ).map(({ tag, diskBytes, storedBytes }) => ({ ...tag, diskBytes, storedBytes })),
    status: async () => {
      const active = await db.selectFrom("deploys").select("id").where("state", "=", "active").execute();
      return {
        version: VERSION,
        pid: process.pid,
        startedAtMs,
        dataDir,
        addresses: addresses.map((address) => `http://${address}:${httpPort}`),
        dhcp: values["network.dhcp"],
        hosts: (await hosts.list()).length,
        activeSessions: active.map(({ id }) => id),
        boots: recentBoots(boots),
      };
    },
  });
  bootTraceRoutes(api, { trace: boots, hosts, counters: () => ({ dhcp: dhcpCounters, tftp: tftp.counters }) });
  await api.listen({ path: controlSocket });
  // Whoever can open this socket can order disks to be erased.
  await chmod(controlSocket, 0o600);

  await events.change(({ record }) =>
    record({ kind: "server.started", data: { version: VERSION, addresses, httpPort } }),
  );
  return { interfaces, httpPort, tftpPort: tftp.port, controlSocket };
}

/** @throws {Fault} DATA_DIR_INVALID, NOT_PERMITTED */
async function makeDirectories(dataDir: string, bootDirectory: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o750 });
    await mkdir(bootDirectory, { recursive: true });
    await access(dataDir, constants.W_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isPermission = code === "EACCES" || code === "EPERM";
    throw new Fault(
      isPermission ? "NOT_PERMITTED" : "DATA_DIR_INVALID",
      {
        what: `The data directory ${dataDir} cannot be written.`,
        why: reasons[code ?? ""] ?? message,
        fix: isPermission
          ? "Run bootcast as root (sudo), or name a directory of your own with --data-dir."
          : "Make it a writable directory on a local disk, or name another one with --data-dir.",
      },
      error,
    );
  }
}

/** Node's own words for these name a step and not the cause: a read-only disk is ENOENT for its mkdir. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: "This user may not.",
  EPERM: "This user may not.",
  EEXIST: "A file stands where the directory should be.",
  ENOTDIR: "A file stands where the directory should be.",
  ENOENT: "Nothing can be made there: the disk may be mounted read-only.",
  EROFS: "The disk is mounted read-only.",
  ENOSPC: "The disk is full.",
};

/**
 * A socket file that nobody answers on is a leftover and is removed.
 *
 * @throws {Fault} SERVER_RUNNING when somebody does answer, DATA_DIR_INVALID
 */
async function freeControlSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH_BYTES) {
    throw new Fault("DATA_DIR_INVALID", {
      what: `The path of the data directory is too long: ${dirname(path)}.`,
      why: `The API's socket would be ${path}, and the system allows ${LONGEST_SOCKET_PATH_BYTES} bytes for it.`,
      fix: "Choose a shorter --data-dir.",
    });
  }
  const probe = connect(path);
  try {
    await once(probe, "connect");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "ECONNREFUSED") throw error;
    if ((await lstat(path)).isSocket()) return await unlink(path);
    throw new Fault("DATA_DIR_INVALID", {
      what: `${path} is in the way of the API's socket.`,
      why: "It is something else than a socket, and bootcast does not delete what it has not made.",
      fix: "Move it away, or give another --data-dir.",
    });
  } finally {
    probe.destroy();
  }
  throw new Fault("SERVER_RUNNING", {
    what: "A bootcast server runs with this data directory already.",
    why: `It answers on ${path}.`,
    fix: 'Stop it first ("bootcast status" shows it), or give another --data-dir.',
  });
}
