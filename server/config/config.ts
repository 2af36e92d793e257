import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { Fault } from "../../fault.ts";
import { jumboModes } from "../../multicast/frame-size.ts";
import { rateModes } from "../../multicast/rate-control.ts";
import { approvals } from "../hosts/enrolment/admission.ts";
import { nameSources } from "../hosts/name-sources.ts";
import { mailSecurity } from "../notify/mail-settings.ts";
import { nearest } from "./nearest.ts";
import * as kind from "./values.ts";

/** Where the configuration is looked for when nobody says otherwise; it need not exist. */
export const DEFAULT_CONFIG_FILE = "/etc/bootcast.toml";

type Setting = { readonly of: kind.Kind<unknown>; readonly otherwise: unknown };

function setting<T>(of: kind.Kind<T>, otherwise: T): { of: kind.Kind<T>; otherwise: T };
function setting<T>(of: kind.Kind<T>): { of: kind.Kind<T>; otherwise: undefined };
function setting(of: kind.Kind<unknown>, otherwise?: unknown): Setting {
  return { of, otherwise };
}

/** Every setting by the name it has in the file: its section, its key, what it accepts, what it is when nobody set it. */
const settings = {
  data_dir: setting(kind.text, "/var/lib/bootcast"),
  /** Undefined: the SQLite file bootcast.db in the data directory. */
  "database.url": setting(kind.databaseUrl),
  /** Its first line is the password of PostgreSQL's user. */
  "database.password_file": setting(kind.file),
  /** Undefined: every interface with an IPv4 address that is not loopback. */
  "network.interfaces": setting(kind.listOf(kind.interfaceName)),
  "network.dhcp": setting(kind.oneOf("proxy", "proxy-4011", "full", "off"), "proxy"),
  /** For dhcp = "full": start even where another DHCP server answers, and leave its clients alone. */
  "network.allow_other_dhcp": setting(kind.boolean, false),
  /** Whether a machine that nobody knows is given the agent, so that it appears in the list of hosts. */
  "network.register": setting(kind.boolean, true),
  /** Ranges in the networks of the interfaces, and with a prefix length in those behind relays; for dhcp = "full". */
  "network.pool": setting(kind.listOf(kind.addressPool)),
  "network.router": setting(kind.ipv4),
  "network.dns": setting(kind.listOf(kind.ipv4), []),
  "network.lease_minutes": setting(kind.integer(1, 100_000), 60),
  "network.options": setting(kind.optionTable, {}),
  "http.port": setting(kind.port, 8440),
  /** Open connections at the same time, and of these from one address. */
  "http.max_connections": setting(kind.integer(10, 100_000), 4096),
  "http.max_per_client": setting(kind.integer(2, 100_000), 128),
  /** The API and the pages; people and programs never speak without TLS. */
  "https.port": setting(kind.port, 8443),
  /** What the server is called besides its addresses and its host name. */
  "https.names": setting(kind.listOf(kind.dnsName), []),
  "tftp.port": setting(kind.port, 69),
  /** The largest block: 1468 fill an Ethernet frame, larger ones are fragmented, which firmware drops. */
  "tftp.block_bytes": setting(kind.integer(512, 65_464), 1468),
  /** Most blocks for each acknowledgement; 0: only ever one. */
  "tftp.window": setting(kind.integer(0, 64), 16),
  "tftp.max_transfers": setting(kind.integer(1, 10_000), 200),
  "tftp.max_per_client": setting(kind.integer(1, 10_000), 8),
  /** Networks whose machines are served besides those on our interfaces and those that a relay brought here. */
  "tftp.networks": setting(kind.listOf(kind.network), []),
  "boot.kernel_args": setting(kind.text, "console=tty0"),
  "boot.pass_server": setting(kind.boolean, true),
  /** Whether a machine with nothing ordered shows a menu on its screen before it starts its disk. */
  "boot.menu": setting(kind.boolean, false),
  "boot.menu_seconds": setting(kind.integer(1, 600), 10),
  /** Undefined: the menu offers nothing that would change a disk. */
  "boot.menu_pin": setting(kind.pin),
  /** The images that the menu offers, each in its newest version. */
  "boot.menu_image": setting(kind.listOfAtMost(8, kind.text), []),
  /** Whether every host is given the loaders that Secure Boot trusts. */
  "boot.secure_boot": setting(kind.boolean, false),
  /** File of public SSH keys: whoever has one of them may log in to every client. Undefined: nobody can. */
  "boot.remote_shell": setting(kind.file),
  /** wpa_supplicant's configuration, for switches that ask clients who they are. */
  "boot.wired_8021x": setting(kind.file),
  /** Loaders by architecture (option 93), before the built-in table. */
  "boot.loaders": setting(kind.loaderTable, {}),
  "bsdp.priority": setting(kind.integer(0, 65_535), 32_768),
  "bsdp.index": setting(kind.integer(1, 65_535), 1),
  "bsdp.name": setting(kind.text, "bootcast"),
  /** Macs that have looked for so few seconds are left to other BSDP servers. */
  "bsdp.minimum_seconds": setting(kind.integer(0, 3600), 0),
  /** Folders that hold NetBoot bundles (*.nbi), offered to Macs that nothing is ordered for. */
  "bsdp.nbi": setting(kind.listOf(kind.folder), []),
  /** The key file of a sealed image store. Undefined: packs are plain. */
  "images.store_key": setting(kind.file),
  /** The doctor warns of images that nobody has verified for so long; 0: of none. */
  "images.verify_days": setting(kind.integer(0, 3650), 90),
  "multicast.group": setting(kind.multicastGroup, "239.192.66.1"),
  "multicast.port": setting(kind.port, 7801),
  /** Whether streams may go through a wireless card. */
  "multicast.allow_wifi": setting(kind.boolean, false),
  "multicast.rate": setting(kind.rate, 12_000_000),
  /** The packs of streams are encrypted, and only registered hosts get the key. */
  "multicast.encrypt": setting(kind.boolean, false),
  /** Whether streams have large frames where the network has them: see multicast/frame-size.ts. */
  "multicast.jumbo": setting(kind.oneOf(...jumboModes), "auto"),
  /** How streams go about others on the network: see multicast/rate-control.ts. */
  "multicast.mode": setting(kind.oneOf(...rateModes), "normal"),
  /** What all streams of one interface send together; undefined: nine tenths of what its card can. */
  "multicast.budget": setting(kind.rate),
  "hosts.names": setting(kind.namePattern, "lab-{nn}"),
  /** Whom a host's name is asked of, in this order. */
  "hosts.name_sources": setting(kind.listOf(kind.oneOf(...nameSources)), ["registry", "pattern"]),
  /** The list for the source "csv": an address, serial number or UUID, and a name, on each line. */
  "hosts.names_csv": setting(kind.file),
  /** The list for the source "bsdp": /var/db/bsdpd_clients of an Apple NetBoot server. */
  "hosts.names_bsdp": setting(kind.file),
  /**
   * Whether a machine that appears by itself may be given orders that erase: all may, those that show an enrolment token
   * may, or a person is asked about each.
   */
  "hosts.approve": setting(kind.oneOf(...approvals), "auto"),
  /** Networks behind routers that magic packets are sent to as well; the routers have to forward directed broadcasts. */
  "hosts.wake_networks": setting(kind.listOf(kind.network), []),
  /** Which disk of a host is erased where neither the order nor the host says: agent/disk/rule.ts. */
  "hosts.disk": setting(kind.diskRule, "only"),
  /** Whether restored systems are to say that they are up, where the order does not say. */
  "hosts.alive": setting(kind.boolean, false),
  /** How long they have. */
  "hosts.alive_minutes": setting(kind.integer(1, 1440), 15),
  /** How long a host with nothing ordered waits for an order before it is told to boot its disk. */
  "hosts.wait_minutes": setting(kind.integer(0, 100_000), 30),
  /** How long what happened is kept; 0: for ever. The boot trace is kept for a week. */
  "events.keep_days": setting(kind.integer(0, 36_500), 730),
  "dnssd.enabled": setting(kind.boolean, true),
  /** The mail server that takes what people are told by mail; undefined: nobody can be. */
  "mail.server": setting(kind.dnsName),
  "mail.port": setting(kind.integer(1, 65_535), 587),
  /** "starttls" and "tls" refuse a server without; with "none" everybody on the way can read. */
  "mail.security": setting(kind.oneOf(...mailSecurity), "starttls"),
  "mail.from": setting(kind.mailAddress),
  "mail.user": setting(kind.text),
  "mail.password_file": setting(kind.file),
};

type Settings = typeof settings;
type ValueOf<S> = S extends { of: kind.Kind<infer T>; otherwise: infer Otherwise }
  ? Otherwise extends undefined
    ? T | undefined
    : T
  : never;
/** The effective values by their name in the file: `values["http.port"]`. */
export type ConfigValues = { readonly [Key in keyof Settings]: ValueOf<Settings[Key]> };
export type ConfigKey = keyof Settings;

/** Settings that have an option of their own. */
const optionsOfTheirOwn: Readonly<Record<string, string>> = {
  data_dir: "--data-dir",
  "images.store_key": "--store-key",
};

/** Where a value came from, in words: "--set http.port", "BOOTCAST_HTTP_PORT", "/etc/bootcast.toml", "default". */
export type Origins = { readonly [Key in ConfigKey]: string };

export type Config = {
  readonly values: ConfigValues;
  readonly origins: Origins;
  /** Absolute path of the data directory. */
  readonly dataDir: string;
};

/** What is set from outside the file: `flags` by their key in the file ("http.port"), `env` is process.env. */
export type ConfigSources = {
  readonly flags?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The file's path. Undefined: BOOTCAST_CONFIG, or the default file when it exists. */
  readonly file?: string | undefined;
};

/** The name of the environment variable of a setting: "http.port" is BOOTCAST_HTTP_PORT. */
export function environmentName(key: string): string {
  return `BOOTCAST_${key.replace(".", "_").toUpperCase()}`;
}

/**
 * The effective configuration: flags, then environment, then file, then defaults.
 *
 * @throws {Fault} CONFIG_MISSING, CONFIG_SYNTAX, CONFIG_UNKNOWN, CONFIG_INVALID, all naming the key and the file
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const env = sources.env ?? {};
  const path =
    sources.file ?? env["BOOTCAST_CONFIG"] ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
  const fromFile = path === undefined ? {} : readFile(path);
  const flags = sources.flags ?? {};
  for (const key of Object.keys(flags)) if (!Object.hasOwn(settings, key)) throw unknown(key, "--set");
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const [key, { of, otherwise }] of Object.entries<Setting>(settings)) {
    const variable = environmentName(key);
    const candidates = [
      { value: flags[key], origin: optionsOfTheirOwn[key] ?? `--set ${key}` },
      { value: env[variable], origin: variable },
      { value: fromFile[key], origin: path ?? "" },
    ];
    const given = candidates.find(({ value }) => value !== undefined);
    origins[key] = given?.origin ?? "default";
    values[key] = given === undefined ? otherwise : of.read(given.value);
    if (given !== undefined && values[key] === undefined) throw invalid(key, given.value, given.origin, of.allowed);
  }
  const config = values as ConfigValues;
  if (config["network.dhcp"] === "full" && config["network.pool"] === undefined) {
    throw new Fault("CONFIG_INVALID", {
      what: `network.dhcp is "full", but network.pool is not set (${origins["network.dhcp"]}).`,
      why: "A DHCP server needs addresses to hand out.",
      fix: `Set network.pool to ${kind.addressPool.allowed}, or network.dhcp to "proxy".`,
    });
  }
  return { values: config, origins: origins as Origins, dataDir: resolve(config.data_dir) };
}

/** The file's values by "section.key". */
function readFile(path: string): Record<string, unknown> {
  const flat: Record<string, unknown> = {};
  for (const [section, value] of Object.entries(parseFile(path))) {
    const isSection = Object.keys(settings).some((key) => key.startsWith(`${section}.`));
    if (!isSection) {
      if (!Object.hasOwn(settings, section)) throw unknown(section, path);
      flat[section] = value;
    } else if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw invalid(section, value, path, `a section: [${section}] on a line of its own, its keys below`);
    } else {
      for (const [key, inner] of Object.entries(value)) {
        const name = `${section}.${key}`;
        if (!Object.hasOwn(settings, name)) throw unknown(name, path);
        flat[name] = inner;
      }
    }
  }
  return flat;
}

function parseFile(path: string): Record<string, unknown> {
  let written: string;
  try {
    written = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault(
      "CONFIG_MISSING",
      {
        what: `The configuration file ${path} cannot be read.`,
        why: (error as Error).message,
        fix: "Check the path and its permissions. An empty file is valid, and so is none.",
      },
      error,
    );
  }
  try {
    return parse(written);
  } catch (error) {
    const at = error instanceof TomlError ? `, line ${error.line}, column ${error.column}` : "";
    throw new Fault(
      "CONFIG_SYNTAX",
      {
        what: `${path}${at} is not valid TOML.`,
        why: (error as Error).message,
        fix: 'Values are written like port = 8440, dhcp = "proxy", dns = ["10.0.0.1"]; sections like [network].',
      },
      error,
    );
  }
}

function unknown(key: string, origin: string): Fault {
  const sections = [...new Set(Object.keys(settings).map((known) => known.split(".")[0]!))];
  const suggestion = nearest(key, [...Object.keys(settings), ...sections]);
  const [section] = key.split(".");
  const siblings = Object.keys(settings).filter((known) => known.startsWith(`${section}.`));
  const choice = siblings.length > 0 ? siblings : sections;
  return new Fault("CONFIG_UNKNOWN", {
    what: `"${key}" is not a setting (${origin}).`,
    why: suggestion === undefined ? "No setting has a name like it." : `Maybe "${suggestion}" was meant.`,
    fix: `Correct or remove it. There are: ${choice.join(", ")}.`,
  });
}

function invalid(key: string, value: unknown, origin: string, allowed: string): Fault {
  // This is printed, and kept by whatever collects the output.
  const isSecret = key === "boot.menu_pin" || key === "database.url";
  const shown = isSecret ? "something (not shown)" : JSON.stringify(value);
  return new Fault("CONFIG_INVALID", {
    what: `${key} is ${shown}, which is not allowed (${origin}).`,
    why: `Allowed is ${allowed}.`,
    fix: `Change or remove ${key} there.`,
  });
}
