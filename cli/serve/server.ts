import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Fault } from "../../fault.ts";
import { tftpTexts } from "../../server/boot/tftp-texts.ts";
import { BootTraceService } from "../../server/boot-trace/service.ts";
import type { Config } from "../../server/config/config.ts";
import { LiveConfig, type Reloaded } from "../../server/config/live.ts";
import { keepEvents } from "../../server/db/event-retention.ts";
import { databaseLeases } from "../../server/db/leases.ts";
import { BootClients } from "../../server/dhcp/boot-clients.ts";
import { EventLog, type NewEvent } from "../../server/events.ts";
import { Enrolment } from "../../server/hosts/enrolment/enrolment.ts";
import { HostBoot } from "../../server/hosts/host-boot-settings.ts";
import { limitConnections } from "../../server/http/connections.ts";
import { createHttp, listenTcp, onlyAt } from "../../server/http/http.ts";
import { advertise } from "../../server/network/dnssd.ts";
import { InterfaceWatch } from "../../server/network/interface-watch.ts";
import { type ServedInterface, servedInterfaces } from "../../server/network/interfaces.ts";
import { addToQueues } from "../../server/notify/outbox.ts";
import { Sessions } from "../../server/orders/sessions.ts";
import type { Wake } from "../../server/orders/waking.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { openStore } from "../../server/store/store.ts";
import { openStreamHub } from "../../server/stream/hub.ts";
import { storeKeyFile } from "../image/store.ts";
import { sweptAtStart } from "../image/store-sweep.ts";
import { streamOpener, streamTraits } from "../stream/opener.ts";
import { VERSION } from "../version.ts";
import { accessOf } from "./access-wiring.ts";
import { addApiRoutes } from "./api-routes.ts";
import { controlSocketOf } from "./control-socket.ts";
import { freeControlSocket, makeDirectories } from "./data-directory.ts";
import { databaseOf } from "./database-wiring.ts";
import { bootFilesOf, dhcpOf, leaseNetworksOf } from "./dhcp-wiring.ts";
import { doctorOf } from "./doctor-wiring.ts";
import { hostPartsOf } from "./host-wiring.ts";
import { addressList, advertisedPerInterface, listenAlso, startedPerAddress } from "./interface-services.ts";
import { leasesOf } from "./lease-wiring.ts";
import { machineHttpOf } from "./machine-http.ts";
import { hostsOf, ordersOf } from "./order-wiring.ts";
import { reload } from "./reload.ts";
import { schedulesOf } from "./schedule-wiring.ts";
import { statusOf } from "./status-wiring.ts";
import { tftpLimitsOf, tftpOf } from "./tftp-wiring.ts";

/** A server that answers on all its ports. */
export type RunningServer = {
  readonly interfaces: readonly ServedInterface[];
  readonly httpPort: number;
  readonly tftpPort: number;
  /** Where the API is served with TLS: "https://10.77.0.1:8443". */
  readonly https: readonly string[];
  /** Path of the UNIX socket of the API. */
  readonly controlSocket: string;
  /** Resolves when another server works with our database, because we were cut off from it: this one has to end. */
  readonly lost: Promise<Fault>;
  /** Takes other settings, as far as that needs no restart. @throws {Fault} when one of them is wrong; none is taken then */
  reload(next: Config): Promise<Reloaded>;
  stop(): Promise<void>;
};

/**
 * Starts every part of the server in the order in which they need each other.
 * When one cannot start, those before it are stopped again.
 *
 * @throws {Fault} of the part that cannot start
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const parts = new AsyncDisposableStack();
  try {
    const running = await start(new LiveConfig(config), log, parts);
    return { ...running, stop: () => parts.disposeAsync() };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function start(
  config: LiveConfig,
  log: Logger,
  parts: AsyncDisposableStack,
): Promise<Omit<RunningServer, "stop">> {
  const { values, dataDir } = config;
  const now = () => Date.now();
  const cannotTell = (error: unknown) => log.error({ err: error }, "an event could not be written down");
  const startedAtMs = now();
  const interfaces = servedInterfaces(values["network.interfaces"]);
  const addresses = interfaces.map(({ address }) => address);
  const bootDirectory = join(dataDir, "boot");
  await makeDirectories(dataDir, bootDirectory);
  const controlSocket = controlSocketOf(dataDir);
  await freeControlSocket(controlSocket);

  const key = await loadSiteKey(dataDir);
  const keys = storeKeyFile(dataDir, values["images.store_key"]);
  const store = await openStore(join(dataDir, "store"), key.trusted, { keys });
  await store.sealer.require("write");
  parts.defer(sweptAtStart(store, log.child({ part: "store" })));
  const { db, lost: databaseLost } = await databaseOf(config, log, parts);
  const leases = databaseLeases(db);
  parts.defer(() => leases.settled());
  const events = new EventLog(db, now);
  events.onRecord(addToQueues);
  const tell = (event: NewEvent) => void events.change(({ record }) => record(event)).catch(cannotTell);
  const watch = new InterfaceWatch({
    served: interfaces,
    names: values["network.interfaces"],
    log,
    tell,
  });
  watch.follow(addressList(addresses));
  const budgetBytesPerSecond = values["multicast.budget"];
  const { membership, owners, ...shared } = await leasesOf(
    {
      config,
      db,
      events,
      key,
      addresses,
      traitsOf: streamTraits({ store, config }),
      log: log.child({ part: "servers" }),
    },
    parts,
  );
  const hub = openStreamHub({
    log: log.child({ part: "stream" }),
    fence: membership?.fence,
    ...(budgetBytesPerSecond === undefined ? {} : { budgetBytesPerSecond }),
  });
  parts.defer(() => hub.close());
  shared.holding(hub);
  const enrolment = new Enrolment({ db, events, now });
  const hosts = await hostsOf({ config, db, events, enrolment });
  const opener = streamOpener({ hub, store, key, config, log: log.child({ part: "stream" }), tell });
  let httpPort = values["http.port"];
  // Nobody is woken before the server is up.
  const wake: Wake = (asleep) => hostParts.waker.wake(asleep);
  const core = { config, db, events, store, key, opener, owners, hosts };
  const wired = ordersOf({ ...core, wake, httpPort: () => httpPort, log, now });
  const { streams, alive, scripts, orders, deploys, conductor, captures } = wired;
  await alive.resume();
  await streams.resume();
  const hostBoot = new HostBoot({ db, events, networks: () => leaseNetworksOf(values, interfaces) });
  const boot = {
    get secureBoot() {
      return values["boot.secure_boot"];
    },
  };
  const policyOf = async (mac: string) => hostBoot.applyTo(await orders.bootPolicyOf(mac), mac, boot);
  const clients = new BootClients(now);
  const boots = await BootTraceService.start({ db, events, clients, log: log.child({ part: "trace" }), now });
  parts.defer(() => boots.stop());
  const trace = boots.log;

  const goesOn = async (streamId: string) => (await owners?.goesOn(streamId)) === true;
  const { http, texts, bundles, hearing } = await machineHttpOf(
    {
      ...{ config, db, events, key, store, hub, hosts, wired, enrolment, policyOf, trace, addresses, bootDirectory },
      goesOn,
      othersFor: shared.othersFor,
      httpPort: () => httpPort,
      log,
      now,
    },
    parts,
  );
  // One network: that address only. Several: one listener, which serves these addresses only.
  onlyAt(http, addresses);
  limitConnections(http.server, { total: values["http.max_connections"], perClient: values["http.max_per_client"] });
  const [onlyAddress] = addresses.length === 1 ? addresses : [];
  httpPort = await listenTcp(http, onlyAddress ?? "0.0.0.0", values["http.port"]);
  if (onlyAddress !== undefined) {
    const alsoHttp = startedPerAddress("http", addresses, ({ address }) => listenAlso(http, address, httpPort));
    parts.defer(() => alsoHttp.stop());
    watch.follow(alsoHttp);
  }

  // Their root paths name our HTTP port, which is known only now.
  await bundles.start();

  const tftpSettings = {
    ...tftpLimitsOf(values, { clients, hostBoot }),
    root: bootDirectory,
    roots: bundles.roots,
    generate: tftpTexts({ texts, httpPort }),
    trace,
    log: log.child({ part: "tftp" }),
    now,
  };
  const tftp = await tftpOf(tftpSettings, parts, { addresses, watch });

  const dhcp = await dhcpOf(values, parts, {
    interfaces,
    policyOf,
    bootFiles: bootFilesOf(values, { bootDirectory, httpPort, bundles }),
    hostBoot,
    hosts,
    leases,
    events,
    watch,
    activeTransfers: () => tftp.active,
    trace,
    clients,
    cannotTell,
    log: log.child({ part: "dhcp" }),
    now,
  });

  if (values["dnssd.enabled"]) {
    const priority = values["bsdp.priority"];
    const service = { port: httpPort, key: key.fingerprint, priority, log: log.child({ part: "dnssd" }) };
    const advertised = await advertisedPerInterface(interfaces, (on) => advertise({ ...service, interfaces: [on] }));
    parts.defer(() => advertised.stop());
    watch.follow(advertised);
  }

  const api = createHttp(log.child({ part: "api" }));
  parts.defer(() => api.close());
  const accessLog = log.child({ part: "access" });
  const access = await accessOf(api, { dataDir, values, db, events, addresses, watch, log: accessLog, now });
  const askedMsOf = (mac: string) => trace.triedMs(mac);
  const hostParts = hostPartsOf({ values, db, events, hosts, interfaces, askedMsOf, now });
  const byItself = schedulesOf({ config, db, events, hosts, deploys, streams, log, now });
  const httpsPort = () => Number(URL.parse(access.servers()[0] ?? "")?.port ?? values["https.port"]);
  const doctor = doctorOf({
    config,
    db,
    events,
    store,
    hub,
    membership,
    users: access.users,
    otherServers: () => dhcp?.otherServers,
    byItself: byItself.seen,
    ports: () => ({ http: httpPort, https: httpsPort(), tftp: tftp.port }),
    log: log.child({ part: "doctor" }),
    now,
  });
  await addApiRoutes(api, {
    ...{ doctor, hearing, hosts, deploys, conductor, streams, events, captures, scripts, enrolment, texts, store, hub },
    ...{ hostParts, byItself, hostBoot, policyOf, site: boot, trace: boots, membership },
    sessions: new Sessions({ db, streams, progress: hosts.progress, now }),
    server: () => `http://${addresses[0]}:${httpPort}`,
    status: statusOf({
      config,
      db,
      boots,
      access,
      dhcp,
      addresses,
      httpPort,
      tftpPort: tftp.port,
      startedAtMs,
      membership,
    }),
    counters: () => ({ dhcp: dhcp?.counters, tftp: tftp.counters }),
    log,
  });
  await api.listen({ path: controlSocket });
  // Whoever can open this socket can order disks to be erased.
  await chmod(controlSocket, 0o600);
  const https = await access.listen();
  parts.defer(() => https.stop());

  await events.change(({ record }) =>
    record({ kind: "server.started", data: { version: VERSION, addresses, httpPort } }),
  );
  await shared.open(
    addresses.map((address) => `http://${address}:${httpPort}`),
    streams,
  );
  shared.whenLeading(
    () => alive.watch(log.child({ part: "alive" })),
    () => byItself.courier.watch(),
    () => keepEvents({ db, events, keepDays: values["events.keep_days"], now, log: log.child({ part: "events" }) }),
    () => byItself.scheduler.watch(),
    () => conductor.watch(log.child({ part: "orders" })),
  );
  watch.start();
  parts.defer(() => watch.stop());
  const examined = doctor.start();
  parts.defer(() => examined.stop());
  return {
    interfaces,
    httpPort,
    tftpPort: tftp.port,
    controlSocket,
    https: access.servers(),
    lost: Promise.race([databaseLost, shared.lost]),
    reload: (next) => reload(config, next, { events, log }),
  };
}
