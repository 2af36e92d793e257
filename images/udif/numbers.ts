import { udifFault } from "./faults.ts";

/** A disk's smallest unit in every UDIF field. */
export const SECTOR_BYTES = 512;

/**
 * A big-endian 64-bit number as JavaScript counts: exact below 2^53.
 *
 * @param name of the field, for the message
 * @throws {Fault} UDIF_TOO_LARGE
 */
export function readNumber(view: DataView, at: number, name: string): number {
  const value = view.getBigUint64(at);
  if (value > MAX_BYTES) throw tooLarge(name, value);
  return Number(value);
}

/**
 * The same for a number of sectors: its bytes must be exact, too.
 *
 * @throws {Fault} UDIF_TOO_LARGE
 */
export function readSectors(view: DataView, at: number, name: string): number {
  const value = view.getBigUint64(at);
  if (value * BigInt(SECTOR_BYTES) > MAX_BYTES) throw tooLarge(name, value);
  return Number(value);
}

const MAX_BYTES = BigInt(Number.MAX_SAFE_INTEGER);

function tooLarge(name: string, value: bigint) {
  return udifFault("UDIF_TOO_LARGE", `The .dmg is damaged: its ${name} is ${value}.`, "No disk is larger than 8 PiB.");
}
