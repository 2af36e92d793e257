/**
 * What an agent understands, said in its Inventory: 1 or nothing, deploys; 2, captures too; 3, what an order says of
 * the disk. A server gives an agent no order that it would not understand.
 */
export const CONTRACT_VERSION = 3;
export const CAPTURES_SINCE = 2;
/** Rules for choosing a disk, ways to erase it, and what it may hold. */
export const DISK_TERMS_SINCE = 3;

/** Scripts that run when the disk is restored. */
export const SCRIPTS_SINCE = 3;

/** DNS-SD: `_bootcast._tcp`, TXT records v, key, priority. */
export const SERVICE_TYPE = "bootcast";
export const SERVICE_VERSION = "1";
/** DNS-SD of a single stream, `_bootcast-stream._tcp`: TXT records v, key, image. */
export const STREAM_SERVICE_TYPE = "bootcast-stream";
