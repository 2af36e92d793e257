import type { Inventory } from "../../agent/contract.ts";
import { isHostName, nextName } from "./host-identity.ts";

/**
 * Where a host's name can come from: the registry (it has one already), a list in a file, the pattern, the name that a
 * DHCP server gave it (option 12), reverse DNS, and the machine name that an Apple NetBoot server gave it by BSDP
 * (sub-option 130; ours hands out the registry's).
 */
export const nameSources = ["registry", "csv", "pattern", "dhcp", "dns", "bsdp"] as const;
export type NameSource = (typeof nameSources)[number];

type Machine = Pick<Inventory, "mac" | "serial">;

/** A name that a source offered and that was not taken, with the reason in words. */
export type RefusedName = { readonly source: NameSource; readonly name: string; readonly why: string };

export type ChosenName = {
  readonly name: string;
  /** "address": no source had a name. */
  readonly source: NameSource | "address";
  readonly refused: readonly RefusedName[];
};

/**
 * The name of a machine: of the first source that has one which no other host has.
 *
 * @param options.known the name that it has already
 * @param options.offers what the other sources say; full names are cut to their first part
 * @param options.taken the names of all other hosts, lower case
 */
export function chooseName(options: {
  readonly sources: readonly NameSource[];
  readonly pattern: string;
  readonly machine: Machine;
  readonly known: string | undefined;
  readonly offers: Readonly<Partial<Record<NameSource, string | undefined>>>;
  readonly taken: ReadonlySet<string>;
}): ChosenName {
  const { sources, pattern, machine, known, offers, taken } = options;
  const refused: RefusedName[] = [];
  for (const source of sources) {
    // A pattern names each host once: counting again would give it another number.
    if (known !== undefined && (source === "registry" || source === "pattern")) return { name: known, source, refused };
    const name = source === "pattern" ? patternName(pattern, machine, taken) : offers[source]?.split(".")[0];
    if (name === undefined || name === "") continue;
    // "localhost" is what a DHCP server says that was never told.
    if (!isHostName(name) || name.toLowerCase() === "localhost")
      refused.push({ source, name, why: "it cannot be a host's name" });
    else if (taken.has(name.toLowerCase())) refused.push({ source, name, why: "another host has it" });
    else return { name, source, refused };
  }
  if (known !== undefined) return { name: known, source: "registry", refused };
  const ofAddress = `host-${machine.mac.replaceAll(":", "")}`;
  return { name: taken.has(ofAddress) ? nextName(`${ofAddress}-{n}`, taken) : ofAddress, source: "address", refused };
}

/**
 * A pattern's name for a machine: {serial} is its serial number, {mac6} the second half of its address, {nn} the
 * first free number. Undefined where the machine has no serial number.
 */
export function patternName(pattern: string, machine: Machine, taken: ReadonlySet<string>): string | undefined {
  const serial = machine.serial
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  if (serial === "" && pattern.includes("{serial}")) return undefined;
  const mac6 = machine.mac.replaceAll(":", "").slice(-6);
  const filled = pattern.replaceAll("{serial}", serial).replaceAll("{mac6}", mac6);
  return /\{n+\}/.test(filled) ? nextName(filled, taken) : filled;
}
