import { parseDiskRule } from "../../agent/contract.ts";
import { isAddress } from "../../bsdp/address.ts";
import { parsePool } from "../../bsdp/address-pool.ts";
import { isLoaderPath } from "../../bsdp/boot-files.ts";
import { checkGroup } from "../../multicast/group.ts";
import { parseRate } from "../../multicast/rate.ts";
import { parseDatabaseUrl } from "../db/place.ts";
import { isMailAddress } from "../notify/addresses.ts";

/**
 * What one setting accepts. `read` takes a value of the file (typed) or of a
 * flag or the environment (text) and answers undefined when it is not allowed.
 */
export type Kind<T> = {
  /** Completes the sentence "Allowed is …". */
  readonly allowed: string;
  read(value: unknown): T | undefined;
};

export const text: Kind<string> = {
  allowed: "text",
  read: (value) => (typeof value === "string" ? value : undefined),
};

export const folder: Kind<string> = {
  allowed: 'a folder\'s whole path, like "/srv/netboot"',
  read: (value) => (typeof value === "string" && value.startsWith("/") && !value.includes("\0") ? value : undefined),
};

export const file: Kind<string> = {
  allowed: 'a file\'s whole path, like "/etc/bootcast/store.key"',
  read: (value) => (folder.read(value) !== undefined && !String(value).endsWith("/") ? String(value) : undefined),
};

export const databaseUrl: Kind<string> = {
  allowed:
    '"sqlite:/whole/path" or "postgres://user@host/database", with ?host=/run/postgresql for a UNIX socket, sslmode=disable|require|verify-full and sslrootcert=FILE; the password is in a file',
  read: (value) => (typeof value === "string" && parseDatabaseUrl(value) !== undefined ? value : undefined),
};

export const boolean: Kind<boolean> = {
  allowed: "true or false",
  read: (value) => {
    if (typeof value === "boolean") return value;
    return value === "true" ? true : value === "false" ? false : undefined;
  },
};

export function integer(least: number, most: number): Kind<number> {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    read: (value) => {
      const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
      return typeof number === "number" && Number.isInteger(number) && number >= least && number <= most
        ? number
        : undefined;
    },
  };
}

/** Port 0 lets the system choose a free one; the ready line says which. */
export const port: Kind<number> = { ...integer(0, 65_535), allowed: "a port number, or 0 for any free one" };

export function oneOf<T extends string>(...words: readonly T[]): Kind<T> {
  return {
    allowed: words.map((word) => `"${word}"`).join(", "),
    read: (value) => words.find((word) => word === value),
  };
}

/** A list; a single text is split at commas, so that flags and the environment can give it. */
export function listOf<T extends string>(of: Kind<T>): Kind<readonly T[]> {
  return {
    allowed: `a list, each item ${of.allowed}`,
    read: (value) => {
      const items = typeof value === "string" ? value.split(",").map((item) => item.trim()) : value;
      if (!Array.isArray(items)) return undefined;
      const read = items.map((item) => of.read(item));
      return read.some((item) => item === undefined) ? undefined : (read as T[]);
    },
  };
}

/** The same with a limit. */
export function listOfAtMost(most: number, of: Kind<string>): Kind<readonly string[]> {
  const list = listOf(of);
  return {
    allowed: `${list.allowed}; at most ${most}`,
    read: (value) => {
      const items = list.read(value);
      return items !== undefined && items.length <= most ? items : undefined;
    },
  };
}

/** Digits, because firmware's keyboards differ in everything else. */
export const pin: Kind<string> = {
  allowed: "a PIN of 4 to 12 digits, in quotes",
  read: (value) => (typeof value === "string" && /^[0-9]{4,12}$/.test(value) ? value : undefined),
};

export const diskRule: Kind<string> = {
  allowed:
    'a rule for choosing a disk: "only", "smallest" or "largest", with conditions like "size=200G.. transport=nvme|sata"',
  read: (value) => {
    if (typeof value !== "string") return undefined;
    try {
      parseDiskRule(value);
      return value;
    } catch {
      return undefined;
    }
  },
};

export const interfaceName: Kind<string> = {
  allowed: 'the name of a network interface, like "eth0"',
  // The kernel's own rule: at most 15 bytes, no slash, no white space.
  read: (value) => (typeof value === "string" && /^[^\s/]{1,15}$/.test(value) ? value : undefined),
};

export const dnsName: Kind<string> = {
  allowed: 'a DNS name, like "bootcast.school.example"',
  read: (value) =>
    typeof value === "string" && value.length <= 253 && /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/i.test(value)
      ? value
      : undefined,
};

export const mailAddress: Kind<string> = {
  allowed: 'a mail address, like "bootcast@school.example"',
  read: (value) => (typeof value === "string" && isMailAddress(value) ? value : undefined),
};

export const ipv4: Kind<string> = {
  allowed: 'an IPv4 address, like "10.77.0.1"',
  read: (value) => (typeof value === "string" && isAddress(value) ? value : undefined),
};

export const network: Kind<string> = {
  allowed: 'an IPv4 network with its prefix length, like "10.2.0.0/16"',
  read: (value) => {
    if (typeof value !== "string") return undefined;
    const match = /^([\d.]+)\/(\d{1,2})$/.exec(value);
    return match !== null && isAddress(match[1]!) && Number(match[2]) <= 32 ? value : undefined;
  },
};

export const multicastGroup: Kind<string> = {
  allowed: 'an IPv4 multicast address outside 224.0.0.0/24, like "239.192.66.1"',
  read: (value) => {
    if (typeof value !== "string") return undefined;
    try {
      checkGroup(value);
      return value;
    } catch {
      return undefined;
    }
  },
};

export const addressPool: Kind<string> = {
  allowed: `a range of IPv4 addresses, like "10.77.0.50-10.77.0.99"; for a network behind a relay with its prefix length
and maybe its router, like "10.1.0.50-10.1.0.99/24 via 10.1.0.1"`.replace("\n", " "),
  read: (value) => (typeof value === "string" && parsePool(value) !== undefined ? value : undefined),
};

/** Architecture numbers to paths below the boot directory; an empty path switches an architecture off. */
export const loaderTable: Kind<Readonly<Record<number, string>>> = {
  allowed: 'a table of architecture numbers and files, like { "7" = "x64/other.efi" }, an empty file for no offer',
  read: (value) => {
    const entries =
      typeof value === "string"
        ? value.split(",").map((pair) => pair.split("=").map((part) => part.trim()))
        : typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
          ? Object.entries(value)
          : undefined;
    const isFine = entries?.every(
      ([number, file, ...more]) =>
        /^\d{1,5}$/.test(number ?? "") &&
        Number(number) <= 65_535 &&
        typeof file === "string" &&
        (file === "" || isLoaderPath(file)) &&
        more.length === 0,
    );
    return isFine === true ? Object.fromEntries(entries ?? []) : undefined;
  },
};

export const rate: Kind<number> = {
  allowed: 'a rate like "12MB/s" or "20000kbit"',
  read: (value) => {
    try {
      return typeof value === "string" ? parseRate(value) : undefined;
    } catch {
      return undefined;
    }
  },
};

/**
 * One place in braces is filled in for each host: a run of "n" is the number, as wide as it has letters. Around it
 * stand letters, digits and hyphens; a number cannot come first, because it would be an address for some.
 */
export const namePattern: Kind<string> = {
  allowed: 'a host name with a place in braces, like "lab-{nn}", "{serial}" or "mac-{mac6}"',
  read: (value) =>
    typeof value === "string" &&
    value.length <= 60 &&
    (/^[a-z0-9]([a-z0-9-]*-)?\{n{1,4}\}([a-z0-9-]*[a-z0-9])?$/i.test(value) ||
      /^([a-z0-9][a-z0-9-]*)?\{(serial|mac6)\}([a-z0-9-]*[a-z0-9])?$/i.test(value))
      ? value
      : undefined,
};

export type OptionValue = string | number | boolean | readonly (string | number)[];

/** DHCP options by name; which names and values exist is known to the DHCP server. */
export const optionTable: Kind<Readonly<Record<string, OptionValue>>> = {
  allowed: 'a table of DHCP option names and values, like { ntpServer = ["10.77.0.1"] }',
  read: (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) return undefined;
    const isFine = Object.values(value).every(
      (item) =>
        ["string", "number", "boolean"].includes(typeof item) ||
        (Array.isArray(item) && item.every((part) => typeof part === "string" || typeof part === "number")),
    );
    return isFine ? { ...(value as Readonly<Record<string, OptionValue>>) } : undefined;
  },
};
