import { createHash } from "node:crypto";
import { formatUuid, swapUuidFields } from "../machine/smbios.ts";

/** The namespace that macOS hashes the EFI `system-id` with: xnu IOPlatformExpert.cpp, 2A061990-D38D-4440-A139-C497703765AC. */
const NAMESPACE = Buffer.from("2a061990d38d4440a139c497703765ac", "hex");

/**
 * The Hardware UUID (IOPlatformUUID) of an Intel Mac: a UUID of version 5 over
 * its EFI `system-id`, upper case as macOS writes it.
 */
export function hardwareUuidOf(systemId: Uint8Array): string {
  const hash = createHash("sha1").update(NAMESPACE).update(systemId).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return formatUuid(hash).toUpperCase();
}

/**
 * The Hardware UUIDs that this machine may have, the likeliest first. system-id
 * should be the SMBIOS UUID's raw bytes; firmware that hands out the swapped
 * spelling exists (acidanthera/bugtracker 1457), so both are offered.
 */
export function hardwareUuidCandidates(rawSmbiosUuid: Uint8Array | undefined): string[] {
  if (rawSmbiosUuid === undefined) return [];
  return [hardwareUuidOf(rawSmbiosUuid), hardwareUuidOf(swapUuidFields(rawSmbiosUuid))];
}

/**
 * The id that macOS puts in by-host file names when it uses this Hardware UUID:
 * the UUID itself, or the Ethernet address inside a UUID that was made from one.
 */
export function byHostIdOfUuid(uuid: string): string {
  return uuid.startsWith("00000000") ? uuid.slice(-12).toLowerCase() : uuid.toUpperCase();
}
