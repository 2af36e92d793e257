import { readFile } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { NameList } from "../hosts/name-list.ts";

/** Of the identifiers that an Apple server keeps of its clients: "1/0:3:93:5:a:b", "1,0:3:93:5:a:b"; 1 is Ethernet. */
const ETHERNET = /^1[/,]((?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2})$/i;

/**
 * The machine names that an Apple NetBoot server gave to its clients (BSDP sub-option 130), out of its
 * /var/db/bsdpd_clients: a record in braces for each, a property on each line. Source: bootp, PLCache_write and
 * S_client_create.
 *
 * @returns names by address, lower case with colons; the first record of an address counts, it is the newest
 */
export function parseBsdpClients(text: string): NameList {
  const names = new Map<string, string>();
  for (const record of text.split(/^\{[^\S\n]*$/m).slice(1)) {
    const properties = new Map(
      record.split("\n").flatMap((line) => {
        const [, key, value] = /^\s*([^=\s]+)=(.*?)\s*$/.exec(line) ?? [];
        return key === undefined || value === undefined ? [] : [[key, value] as const];
      }),
    );
    const [, octets] = ETHERNET.exec(properties.get("identifier") ?? "") ?? [];
    const name = properties.get("name");
    if (octets === undefined || name === undefined || name === "") continue;
    const mac = octets
      .split(":")
      .map((octet) => octet.padStart(2, "0").toLowerCase())
      .join(":");
    if (!names.has(mac)) names.set(mac, name);
  }
  return names;
}

/** @throws {Fault} NAME_LIST_MISSING */
export async function readBsdpClients(path: string): Promise<NameList> {
  try {
    return parseBsdpClients(await readFile(path, "utf8"));
  } catch (error) {
    throw new Fault(
      "NAME_LIST_MISSING",
      {
        what: `The list of NetBoot clients ${path} cannot be read.`,
        why: (error as Error).message,
        fix: "Copy /var/db/bsdpd_clients of the NetBoot server there, or remove hosts.names_bsdp.",
      },
      error,
    );
  }
}
