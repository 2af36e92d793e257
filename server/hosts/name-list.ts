import { readFile } from "node:fs/promises";
import type { Inventory } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { isHostName } from "./host-identity.ts";

/** Names by what a machine is known by, lower case: an address with colons, a serial number or a UUID. */
export type NameList = ReadonlyMap<string, string>;

/**
 * A list of names as a spreadsheet saves it: `key,name` on each line, the key an address (in any spelling), a serial
 * number or a UUID. Semicolons and tabs separate as well; further columns, empty lines, a first line of headings and
 * lines that begin with # count for nothing.
 *
 * @param path for the fault
 * @throws {Fault} NAME_LIST_INVALID for what is no host's name, and for a key or a name that occurs twice
 */
export function parseNameList(text: string, path: string): NameList {
  const names = new Map<string, string>();
  const lineOf = new Map<string, number>();
  for (const [index, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    const number = index + 1;
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [first = "", name = ""] = line.split(/[,;\t]/).map((cell) =>
      cell
        .trim()
        .replace(/^"(.*)"$/, "$1")
        .trim(),
    );
    if (names.size === 0 && ["name", "host", "hostname", "host name"].includes(name.toLowerCase())) continue;
    const key = keyOf(first);
    if (key === "") throw invalid(path, number, "It has no address, serial number or UUID in its first column.");
    if (!isHostName(name)) throw invalid(path, number, `"${name}" cannot be a host's name.`);
    for (const [what, word] of [
      ["key", key],
      ["name", `name ${name.toLowerCase()}`],
    ] as const) {
      const before = lineOf.get(word);
      if (before !== undefined)
        throw invalid(path, number, `Line ${before} has the same ${what} (${what === "key" ? first : name}).`);
      lineOf.set(word, number);
    }
    names.set(key, name);
  }
  return names;
}

/** @throws {Fault} NAME_LIST_MISSING, NAME_LIST_INVALID */
export async function readNameList(path: string): Promise<NameList> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new Fault(
      "NAME_LIST_MISSING",
      {
        what: `The list of names ${path} cannot be read.`,
        why: (error as Error).message,
        fix: "Put the file there, or remove hosts.names_csv.",
      },
      error,
    );
  }
  return parseNameList(text, path);
}

/** The name of a machine in the list: its address counts more than its serial number, that more than its UUID. */
export function nameInList(list: NameList, machine: Pick<Inventory, "mac" | "serial" | "uuid">): string | undefined {
  for (const key of [machine.mac, machine.serial, machine.uuid]) {
    const name = key === "" ? undefined : list.get(keyOf(key));
    if (name !== undefined) return name;
  }
  return undefined;
}

function keyOf(text: string): string {
  const key = text.toLowerCase();
  const digits = key.replaceAll(/[:.-]/g, "");
  // A serial number has no separators in it where an address has them.
  const isAddress =
    /^[0-9a-f]{12}$/.test(digits) &&
    (/^([0-9a-f]{2}[:-]){5}/.test(key) || /^([0-9a-f]{4}\.){2}/.test(key) || digits === key);
  return isAddress ? (digits.match(/../g) ?? []).join(":") : key;
}

function invalid(path: string, line: number, why: string): Fault {
  return new Fault("NAME_LIST_INVALID", {
    what: `Line ${line} of the list of names ${path} is not right.`,
    why,
    fix: 'Each line is KEY,NAME: an address, serial number or UUID, and a name like "lab-07"; each only once.',
  });
}
