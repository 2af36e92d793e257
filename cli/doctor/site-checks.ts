import { existsSync } from "node:fs";
import type { User } from "../../server/access/users.ts";
import type { Config, ConfigValues } from "../../server/config/config.ts";
import { findOtherServer } from "../../server/dhcp/probe.ts";
import type { SeenServer } from "../../server/dhcp/settings.ts";
import { lookAtAddresses } from "../../server/doctor/addresses.ts";
import { type ByItself, scheduleFindings, toldFindings } from "../../server/doctor/by-itself.ts";
import { lookAtClock } from "../../server/doctor/clock.ts";
import { lookAtDataDisk, lookAtOwners } from "../../server/doctor/data-disk.ts";
import { type BackupTimes, backupFindings, lookAtDatabase } from "../../server/doctor/database.ts";
import { dhcpFindings } from "../../server/doctor/dhcp-check.ts";
import { type Area, type Check, type Finding, notPermitted } from "../../server/doctor/finding.ts";
import { lookAtFirewall } from "../../server/doctor/firewall.ts";
import { lookAtImages } from "../../server/doctor/images.ts";
import { lookAtKernel } from "../../server/doctor/kernel.ts";
import { lookAtMulticast } from "../../server/doctor/multicast-loop.ts";
import { lookAtSecrets, peopleFindings } from "../../server/doctor/people.ts";
import { lookAtPorts, type WantedPort } from "../../server/doctor/ports.ts";
import { serverFindings } from "../../server/doctor/servers.ts";
import { waitingFindings } from "../../server/doctor/settings.ts";
import type { ServersNow } from "../../server/leases/servers-now.ts";
import type { ServedInterface } from "../../server/network/interfaces.ts";
import type { ImageStore } from "../../server/store/store.ts";
import { DEFAULT_TTL } from "../../server/stream/hub.ts";
import { placeOfConfig } from "../db/place.ts";
import { lookAtBootImages } from "./boot-image-check.ts";
import { probeBsdpServers } from "./bsdp-probe.ts";
import { probeLan } from "./lan-probes.ts";
import { probeBundles } from "./nbi-probes.ts";

/** A network is looked at for three seconds, all at once; who serves more looks at one with --interface. */
const MOST_NETWORKS = 4;
const DHCP_WAIT_MS = 3_000;

type ActualPorts = { readonly http: number; readonly https: number; readonly tftp: number };

/** What the running server knows of itself. */
export type LiveServer = {
  /** The ports that it has, where the configuration leaves the choice to the system. */
  ports(): ActualPorts;
  /** Undefined where it does not listen for others. */
  otherServers(): readonly SeenServer[] | undefined;
  users(): Promise<readonly User[]>;
  backups(): Promise<BackupTimes>;
  /** Undefined where the database can have one server only. */
  servers(): Promise<ServersNow | undefined>;
  /** Settings that were changed, and that count after a restart. */
  waiting(): readonly string[];
  /** A stream is sent, or waits for its receivers: the network and the disk are left alone. */
  isBusy(): boolean;
  /** Schedules, and who is told what happens. */
  readonly byItself: ByItself;
};

export type Site = {
  readonly config: Config;
  interfaces(): readonly ServedInterface[];
  /** For reading. */
  readonly store: ImageStore;
  /** Who runs the server, or will. */
  readonly user: { readonly uid: number; readonly name: string };
  /** Undefined: this process is not the server, and none runs. */
  readonly live: LiveServer | undefined;
  readonly now: () => number;
};

/** Every look that `bootcast doctor` and the Repairs page take: user-facing order within each area. */
export function siteChecks({ config, interfaces, store, user, live, now }: Site): Check[] {
  const { values, dataDir } = config;
  const check = (area: Area, probe: string, look: Check["look"]): Check => ({ area, probe, look });
  const wanted = () => wantedPorts(values, live?.ports());
  const isBusy = () => live?.isBusy() === true;
  const networks = () => interfaces().slice(0, MOST_NETWORKS);
  const perNetwork = async (look: (on: ServedInterface) => Promise<Finding | readonly Finding[] | undefined>) =>
    (await Promise.all(networks().map(look))).flatMap((found) => found ?? []);
  return [
    check("network", "address", (signal) => lookAtAddresses(interfaces(), signal)),
    check("network", "settings", async () => (live === undefined ? [] : waitingFindings(live.waiting()))),
    check("network", "ports", () => lookAtPorts(wanted(), live === undefined ? undefined : process.pid)),
    check("network", "dhcp", async () =>
      dhcpFindings(
        values["network.dhcp"],
        live === undefined ? await askedServers(networks(), now()) : live.otherServers(),
        now(),
      ),
    ),
    check("network", "bsdp", () =>
      perNetwork(async ({ address }) =>
        // A lookup as a Mac makes it shows in the boot trace: not in the middle of an evening.
        values["network.dhcp"] === "off" || isBusy()
          ? undefined
          : probeBsdpServers({ server: address, deadlineMs: DHCP_WAIT_MS }),
      ),
    ),
    check("network", "firewall", (signal) =>
      lookAtFirewall(
        wanted(),
        networks().map(({ name }) => name),
        signal,
      ),
    ),
    check("network", "multicast", (signal) =>
      perNetwork((on) => lookAtMulticast(on, values["multicast.group"], signal)),
    ),
    check("network", "lan", () =>
      isBusy()
        ? Promise.resolve([{ probe: "lan", status: "skip", detail: "Not looked at while a stream is sent." } as const])
        : perNetwork(async (on) => namedFor(on, await lanOf(on, values))),
    ),
    check("speed", "kernel", lookAtKernel),
    check("store", "disk", async (signal) =>
      existsSync(dataDir)
        ? lookAtDataDisk(dataDir, { largestImageBytes: await largestImage(store), isBusy: isBusy() }, signal)
        : [{ probe: "data", status: "fail", detail: `There is no ${dataDir} yet.`, fix: "sudo bootcast setup" }],
    ),
    check("store", "owner", async () => (existsSync(dataDir) ? lookAtOwners(dataDir, user) : [])),
    check("store", "database", async () => [lookAtDatabase(placeOfConfig(config))]),
    check("store", "servers", async () => (live === undefined ? [] : serverFindings(await live.servers()))),
    check("store", "backup", async () =>
      live === undefined ? [] : backupFindings(placeOfConfig(config), await live.backups(), now()),
    ),
    check("store", "images", (signal) =>
      lookAtImages(store, { nowMs: now(), verifyDays: values["images.verify_days"] }, signal),
    ),
    check("store", "clock", lookAtClock),
    check("agent", "boot image", () => lookAtBootImages(config)),
    check("store", "schedules", async () =>
      live === undefined ? [] : scheduleFindings(await live.byItself.schedules()),
    ),
    check("network", "notifications", async () => (live === undefined ? [] : toldFindings(await live.byItself.told()))),
    check("agent", "nbi", () => probeBundles(config)),
    check("security", "secrets", async () => (existsSync(dataDir) ? lookAtSecrets(dataDir) : [])),
    check("security", "log in", async () => (live === undefined ? [] : peopleFindings(await live.users(), now()))),
  ];
}

/** The ports of a configuration. Port 0 is whatever the system gave. */
export function wantedPorts(values: ConfigValues, actual: ActualPorts | undefined): WantedPort[] {
  const setting = 'network.dhcp in bootcast.toml ("proxy-4011" where port 67 is another\'s)';
  const mode = values["network.dhcp"];
  const dhcp: WantedPort[] = [
    ...(mode === "proxy" || mode === "full" ? [{ protocol: "udp", port: 67, use: "DHCP", setting } as const] : []),
    ...(mode === "off" ? [] : [{ protocol: "udp", port: 4011, use: "PXE", setting } as const]),
  ];
  const mine: WantedPort[] = [
    { protocol: "udp", port: actual?.tftp ?? values["tftp.port"], use: "TFTP", setting: "tftp.port in bootcast.toml" },
    {
      protocol: "tcp",
      port: actual?.http ?? values["http.port"],
      use: "boot files",
      setting: "http.port in bootcast.toml",
    },
    {
      protocol: "tcp",
      port: actual?.https ?? values["https.port"],
      use: "the pages",
      setting: "https.port in bootcast.toml",
    },
    ...(values["dnssd.enabled"]
      ? [
          {
            protocol: "udp",
            port: 5353,
            use: "multicast DNS",
            setting: "dnssd.enabled in bootcast.toml",
            isShared: true,
          } as const,
        ]
      : []),
  ];
  return [...dhcp, ...mine].filter(({ port }) => port !== 0);
}

/** Where no server runs yet we ask for others ourselves, as a client; only root may. */
async function askedServers(networks: readonly ServedInterface[], nowMs: number): Promise<SeenServer[] | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await Promise.all(
    networks.map(async (on) => ({ on, server: await findOtherServer(on, DHCP_WAIT_MS).catch(() => undefined) })),
  );
  return found.flatMap(({ on, server }) =>
    server === undefined
      ? []
      : [{ interface: on.name, server, givesAddresses: true, bootFile: null, lastSeenMs: nowMs }],
  );
}

async function lanOf({ address }: ServedInterface, values: ConfigValues): Promise<Finding[]> {
  return probeLan({
    interfaceAddress: address,
    group: values["multicast.group"],
    port: values["multicast.port"],
    rateBytesPerSecond: values["multicast.rate"],
    ttl: DEFAULT_TTL,
  });
}

function namedFor({ name }: ServedInterface, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => {
    const probe = `${finding.probe} ${name}`;
    // Below IP only root, or a process with CAP_NET_RAW, can listen.
    const isUnknown = finding.status === "warn" && finding.fix?.startsWith("Run it as root") === true;
    return isUnknown ? notPermitted(probe, finding.detail) : { ...finding, probe };
  });
}

async function largestImage(store: ImageStore): Promise<number> {
  const images = await store.listImages();
  return images.reduce((most, { storedBytes }) => Math.max(most, storedBytes), 0);
}
