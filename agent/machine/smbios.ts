/** SMBIOS 3.x section 7.2: the System Information structure is type 1, its UUID is the 16 bytes at offset 8. */
const SYSTEM_INFORMATION = 1;
const UUID_OFFSET = 8;
const UUID_BYTES = 16;

/**
 * The system UUID as the firmware stores it: the raw bytes, in no particular
 * order of fields. /sys/class/dmi/id/product_uuid shows the first three fields
 * swapped on firmware of SMBIOS 2.6 and newer, so it cannot be used for hashing.
 *
 * @param structure /sys/firmware/dmi/entries/1-0/raw
 * @returns 16 bytes; undefined when the firmware set none (all zero or all ones) or `structure` is none
 */
export function systemUuidBytes(structure: Uint8Array | undefined): Uint8Array | undefined {
  if (structure === undefined || structure[0] !== SYSTEM_INFORMATION) return undefined;
  // The length octet counts the formatted area: the UUID must lie inside it, and inside what we were given.
  const end = UUID_OFFSET + UUID_BYTES;
  if ((structure[1] ?? 0) < end || structure.length < end) return undefined;
  const uuid = Uint8Array.from(structure.subarray(UUID_OFFSET, end));
  const isUnset = uuid.every((byte) => byte === 0) || uuid.every((byte) => byte === 0xff);
  return isUnset ? undefined : uuid;
}

/** The same UUID with its first three fields turned round: how SMBIOS 2.6 and newer mean it to be read. */
export function swapUuidFields(uuid: Uint8Array): Uint8Array {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Uint8Array.from(order, (from) => uuid[from] ?? 0);
}

/** 16 bytes as 8-4-4-4-12 lower-case hex digits, in the order given. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
