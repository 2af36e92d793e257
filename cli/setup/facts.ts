import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../server/config/config.ts";
import { findOtherServer } from "../../server/dhcp/probe.ts";
import { lookAtOwners } from "../../server/doctor/data-disk.ts";
import { BUFFER_BYTES } from "../../server/doctor/kernel.ts";
import { servedInterfaces } from "../../server/network/interfaces.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import { controlSocketOf } from "../serve/control-socket.ts";
import { type Account, readAccounts } from "./accounts.ts";
import { strangersIn } from "./data-strangers.ts";
import { CONFIG_FILE, SYSCTL_FILE, SYSTEMD_RUNS, UNIT_FILE, USER } from "./places.ts";

const DHCP_WAIT_MS = 3_000;

export type Network = {
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
  /** The DHCP server that answers there. "unknown": only root may ask. */
  readonly dhcpServer: string | undefined | "unknown";
};

/** What is on this machine before setup begins. */
export type Facts = {
  readonly networks: readonly Network[];
  readonly account: Account | undefined;
  readonly dataDir: string;
  readonly isDataDirThere: boolean;
  /** Something below it belongs to somebody else than the account. */
  readonly isDataForeign: boolean;
  /** What lies there that is not ours, when it is no data directory. */
  readonly dataStrangers: readonly string[];
  readonly files: Readonly<Record<"config" | "unit" | "sysctl", string | undefined>>;
  /** The kernel's limits are large enough already. */
  readonly isTuned: boolean;
  readonly isBootImageThere: boolean;
  readonly hasSystemd: boolean;
  /** There is the UNIX socket of a server, running or not. */
  readonly hasControlSocket: boolean;
  readonly canNotify: boolean;
  readonly node: string;
  readonly launcher: string;
};

export async function gatherFacts({ config, launcher }: { config: Config; launcher: string }): Promise<Facts> {
  const { dataDir, values } = config;
  const account = readAccounts().find(({ name }) => name === USER);
  const owners =
    account === undefined || !existsSync(dataDir)
      ? []
      : await lookAtOwners(dataDir, { uid: account.uid, name: account.name });
  return {
    networks: await networksOf(values["network.interfaces"]),
    account,
    dataDir,
    isDataDirThere: existsSync(dataDir),
    isDataForeign: account === undefined ? existsSync(dataDir) : owners.some(({ status }) => status === "fail"),
    dataStrangers: strangersIn(dataDir),
    files: { config: textOf(CONFIG_FILE), unit: textOf(UNIT_FILE), sysctl: textOf(SYSCTL_FILE) },
    isTuned: ["rmem_max", "wmem_max"].every(
      (name) => Number(textOf(`/proc/sys/net/core/${name}`) ?? Number.NaN) >= BUFFER_BYTES,
    ),
    isBootImageThere: existsSync(join(dataDir, "boot", "boot-image.json")),
    hasSystemd: isDirectory(SYSTEMD_RUNS),
    hasControlSocket: existsSync(controlSocketOf(dataDir)),
    canNotify: loadSystemCalls() !== undefined,
    node: process.execPath,
    launcher,
  };
}

async function networksOf(names: readonly string[] | undefined): Promise<Network[]> {
  const isRoot = process.getuid?.() === 0;
  return Promise.all(
    servedInterfaces(names).map(async (on) => {
      if (on.address.startsWith("127.")) return { ...on, dhcpServer: undefined };
      const asked = isRoot ? findOtherServer(on, DHCP_WAIT_MS).catch(() => "unknown" as const) : "unknown";
      return { ...on, dhcpServer: await asked };
    }),
  );
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
