import type { Inventory } from "../agent/contract.ts";

/** What is remembered of a host to know it again. */
export type KnownHost = {
  readonly id: string;
  readonly macs: readonly string[];
  readonly uuid: string;
  readonly serial: string;
  readonly model: string;
  readonly lastSeenMs: number;
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
 * Which known host this machine is, or undefined for a new one.
 *
 * An order to erase follows the host, so in doubt the answer is "a new one":
 * - its MAC address is known, and no good UUID on both sides contradicts. (A
 *   network adapter that is carried from one machine to the next does.)
 * - its MAC address is new, but UUID, serial and model are those of a host that
 *   is not running now: its network card was changed.
 */
export function recognise(
  inventory: Pick<Inventory, "mac" | "uuid" | "serial" | "model">,
  known: readonly KnownHost[],
  nowMs: number,
): KnownHost | undefined {
  const isNamed = isGoodUuid(inventory.uuid);
  const byMac = known.find((host) => host.macs.includes(inventory.mac));
  if (byMac !== undefined && (!isNamed || !isGoodUuid(byMac.uuid) || byMac.uuid === inventory.uuid)) return byMac;
  if (!isNamed) return undefined;
  const sameBoard = known.filter(
    (host) => host.uuid === inventory.uuid && host.serial === inventory.serial && host.model === inventory.model,
  );
  const [only] = sameBoard;
  return sameBoard.length === 1 && only !== undefined && nowMs - only.lastSeenMs > ALIVE_FOR_MS ? only : undefined;
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
