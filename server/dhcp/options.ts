import { createRequire } from "node:module";
import { addressBytes, isAddress } from "../../bsdp/address.ts";
import type { DhcpOption } from "../../bsdp/dhcp-packet.ts";
import { Fault } from "../../fault.ts";

/** One entry of the option table in the npm package `dhcp` (lib/options.js), which has no types of its own. */
type TableEntry = {
  readonly name: string;
  readonly type?: "IP" | "IPs" | "ASCII" | "Bool" | "UInt8" | "UInt16" | "UInt32" | "Int32" | "UInt8s" | "UInt16s";
  readonly config?: string;
  readonly enum?: Readonly<Record<number, string>>;
};

/** What stands behind a name in `network.options` of the configuration. */
export type DhcpOptionValue = string | number | boolean | readonly (string | number)[];

const { opts } = createRequire(import.meta.url)("dhcp/lib/options.js") as {
  opts: Readonly<Record<string, TableEntry>>;
};

/** bootcast writes these itself; a second value would break the boot. */
const OWN_CODES = new Set([43, 51, 52, 53, 54, 57, 58, 59, 60, 61, 67, 82]);

const entries = new Map<string, { readonly code: number; readonly entry: TableEntry }>();
for (const [code, entry] of Object.entries(opts)) {
  // Codes above 254 are settings of that package, not options.
  if (entry.config !== undefined && Number(code) < 255) entries.set(entry.config, { code: Number(code), entry });
}

/** The names that `network.options` knows, in the order of their codes. */
export function dhcpOptionNames(): string[] {
  return [...entries].filter(([, { code }]) => !OWN_CODES.has(code)).map(([name]) => name);
}

/**
 * Turns `network.options` of the configuration into options for the wire. The
 * names are those of the npm package `dhcp`: `{ router: ["10.0.0.1"], domainName: "lab" }`.
 *
 * @throws {Fault} DHCP_OPTION_UNKNOWN, DHCP_OPTION_RESERVED or DHCP_OPTION_VALUE
 */
export function dhcpOptions(values: Readonly<Record<string, DhcpOptionValue>>): DhcpOption[] {
  return Object.entries(values).map(([name, value]) => {
    const found = entries.get(name);
    if (found === undefined) throw unknown(name);
    if (OWN_CODES.has(found.code)) {
      throw new Fault("DHCP_OPTION_RESERVED", {
        what: `network.options.${name} (option ${found.code}) cannot be set.`,
        why: "bootcast fills it in itself; another value would break the boot.",
        fix: found.code === 51 ? "Use network.lease_minutes." : "Take it out of network.options.",
      });
    }
    return { code: found.code, data: encode(name, found.entry, value) };
  });
}

function encode(name: string, entry: TableEntry, value: DhcpOptionValue): Uint8Array {
  switch (entry.type) {
    case "IP":
      return addressBytes(address(name, value));
    case "IPs": {
      const list = Array.isArray(value) ? value : [value];
      if (list.length === 0) throw wrong(name, value, "at least one IPv4 address");
      return Uint8Array.from(list.flatMap((one) => [...addressBytes(address(name, one))]));
    }
    case "ASCII":
      if (typeof value !== "string" || value === "") throw wrong(name, value, "a text");
      return new TextEncoder().encode(value);
    case "Bool":
      if (typeof value !== "boolean") throw wrong(name, value, "true or false");
      return Uint8Array.of(value ? 1 : 0);
    case "UInt8s":
      return numbers(name, value, 1);
    case "UInt16s":
      return numbers(name, value, 2);
    case "UInt8":
      return number(name, numberOfName(entry, value), 1, false);
    case "UInt16":
      return number(name, value, 2, false);
    case "UInt32":
      return number(name, value, 4, false);
    case "Int32":
      return number(name, value, 4, true);
    default:
      throw unknown(name);
  }
}

function address(name: string, value: unknown): string {
  if (typeof value !== "string" || !isAddress(value)) throw wrong(name, value, 'an IPv4 address such as "10.0.0.1"');
  return value;
}

function numbers(name: string, value: DhcpOptionValue, bytes: number): Uint8Array {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return new Uint8Array(Buffer.concat(list.map((one) => number(name, one, bytes, false))));
}

// Where the table names the values, the name may be written too: ipForwarding = "Enabled".
function numberOfName(entry: TableEntry, value: DhcpOptionValue): unknown {
  if (typeof value === "boolean" && entry.enum !== undefined) return value ? 1 : 0;
  const named = Object.entries(entry.enum ?? {}).find(([, text]) => text === value);
  return named === undefined ? value : Number(named[0]);
}

function number(name: string, value: unknown, bytes: number, isSigned: boolean): Uint8Array {
  const size = 2 ** (8 * bytes);
  const [least, most] = isSigned ? [-size / 2, size / 2 - 1] : [0, size - 1];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw wrong(name, value, `a whole number from ${least} to ${most}`);
  }
  const data = Buffer.alloc(bytes);
  data.writeUIntBE(value < 0 ? value + size : value, 0, bytes);
  return new Uint8Array(data);
}

function unknown(name: string): Fault {
  const known = dhcpOptionNames();
  const near = known.filter((one) => one.toLowerCase().startsWith(name.slice(0, 3).toLowerCase()));
  return new Fault("DHCP_OPTION_UNKNOWN", {
    what: `network.options has no option called "${name}".`,
    why: "The names are those of the npm package dhcp, in camelCase.",
    fix: near.length > 0 ? `Perhaps you mean: ${near.join(", ")}.` : `Known names: ${known.join(", ")}.`,
  });
}

function wrong(name: string, value: unknown, wanted: string): Fault {
  return new Fault("DHCP_OPTION_VALUE", {
    what: `network.options.${name} is ${JSON.stringify(value)}.`,
    why: `It must be ${wanted}.`,
    fix: "Correct it in the configuration.",
  });
}
