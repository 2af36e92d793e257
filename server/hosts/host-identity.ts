import type { Inventory } from "../../agent/contract.ts";

/** What is remembered of a host to know it again. */
export type KnownHost = {
  readonly id: string;
  /** Addresses it booted from. */
  readonly macs: readonly string[];
  /** Addresses of all cards that were in it when it registered last, an adapter among them perhaps. */
  readonly nics: readonly string[];
  readonly uuid: string;
  readonly serial: string;
  readonly model: string;
  readonly lastSeenMs: number;
  /** A person added it by its address, and it has never been seen: nothing but that, and maybe its serial number, is known. */
  readonly isAdded?: boolean;
};

/** Values that board makers leave in thousands of machines. */
const sharedUuids = new Set([
  "03000200-0400-0500-0006-000700080009",
  "00020003-0004-0005-0006-000700080009",
  "12345678-1234-5678-90ab-cddeefaabbcc",
  "4c4c4544-0000-2010-8020-80c04f202020",
]);

/** A machine that spoke this recently is running: whoever shows its UUID now is another one. */
const ALIVE_FOR_MS = 120_000;

/** Whether a SMBIOS UUID can tell machines apart: well-formed, not one repeated digit, not a maker's placeholder. */
export function isGoodUuid(uuid: string): boolean {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return false;
  return new Set(uuid.replaceAll("-", "")).size > 1 && !sharedUuids.has(uuid);
}

/**
 * Whether a boot loader's `shown` UUID can be that of the machine that registered with `registered`, both lower case.
 * Before SMBIOS 2.6 it was open in which order the bytes of the first three fields are shown.
 */
export function mayBeUuidOf(shown: string, registered: string): boolean {
  if (isGoodUuid(shown) !== isGoodUuid(registered)) return false;
  return !isGoodUuid(shown) || shown === registered || otherByteOrder(shown) === registered;
}

function otherByteOrder(uuid: string): string {
  const reversed = (field: string) => (field.match(/../g) ?? []).toReversed().join("");
  return uuid
    .split("-")
    .map((field, at) => (at < 3 ? reversed(field) : field))
    .join("-");
}

/** What a machine shows of itself. */
export type Shown = Pick<Inventory, "mac" | "uuid" | "serial" | "model"> & {
  readonly nics: readonly { readonly mac: string }[];
};

/**
 * Which known host this machine is, or undefined for a new one.
 *
 * An order to erase follows the host, so in doubt the answer is "a new one":
 * - its MAC address is known, and neither UUID nor serial nor model contradict.
 *   (A network adapter that is carried from one machine to the next does.)
 * - its MAC address is new, but UUID, serial and model are those of a host: it
 *   booted from another of its cards, or its card was changed. Board makers and
 *   copied virtual machines repeat UUIDs, so without a card in common there must
 *   be a serial number, and the known one must not be running now.
 */
export function recognise(shown: Shown, known: readonly KnownHost[], nowMs: number): KnownHost | undefined {
  const byMac = known.find((host) => host.macs.includes(shown.mac));
  if (byMac !== undefined && !contradicts(shown, byMac)) return byMac;
  if (!isGoodUuid(shown.uuid)) return undefined;
  const sameBoard = known.filter(
    (host) => host.uuid === shown.uuid && host.serial === shown.serial && host.model === shown.model,
  );
  const [only] = sameBoard;
  if (only === undefined || sameBoard.length !== 1) return undefined;
  if (hasCardOf(shown, only)) return only;
  return shown.serial !== "" && nowMs - only.lastSeenMs > ALIVE_FOR_MS ? only : undefined;
}

/** Whether two records that share an address can be of two machines. */
function contradicts(shown: Shown, host: KnownHost): boolean {
  if (host.isAdded === true) return host.serial !== "" && shown.serial !== "" && shown.serial !== host.serial;
  // Firmware shows a UUID always or never.
  if (isGoodUuid(shown.uuid) !== isGoodUuid(host.uuid)) return true;
  if (isGoodUuid(shown.uuid)) return shown.uuid !== host.uuid;
  return shown.serial !== host.serial || shown.model !== host.model;
}

function hasCardOf(shown: Pick<Shown, "mac" | "nics">, host: Pick<KnownHost, "macs" | "nics">): boolean {
  const cards = [shown.mac, ...shown.nics.map(({ mac }) => mac)];
  return cards.some((mac) => host.macs.includes(mac) || host.nics.includes(mac));
}

/**
 * Whether two hosts may be one machine that came by another card: they have a
 * card in common, and no UUID tells them apart. An order to each machine once
 * takes such a pair once.
 */
export function mayBeSame(one: KnownHost, other: KnownHost): boolean {
  if (isGoodUuid(one.uuid) && isGoodUuid(other.uuid) && one.uuid !== other.uuid) return false;
  return [...one.macs, ...one.nics].some((mac) => other.macs.includes(mac) || other.nics.includes(mac));
}

/**
 * The first free name of a pattern like "lab-{nn}": 1, 2, 3 … with as many digits as there are letters, at least.
 *
 * @param taken the names in use, in any case
 */
export function nextName(pattern: string, taken: ReadonlySet<string>): string {
  const place = /\{(n+)\}/.exec(pattern);
  const width = place?.[1]?.length ?? 2;
  for (let number = 1; ; number += 1) {
    const digits = String(number).padStart(width, "0");
    const name = place === null ? `${pattern}-${digits}` : pattern.replace(place[0], digits);
    if (!taken.has(name.toLowerCase())) return name;
  }
}

/** A name that Linux, macOS, Windows (15 letters for NetBIOS are the caller's matter) and DNS all take: one label. */
export function isHostName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name) && name.toLowerCase() !== "any" && !/^\d+$/.test(name);
}
