/**
 * What an agent understands, said in its Inventory: 1 or nothing, deploys; 2, captures too; 3, what an order says of
 * the disk; 4, what becomes of the disk afterwards; 5, streams at another server of the site; 6, enrolment tokens. A server gives an agent no order that it would not understand.
 */
export const CONTRACT_VERSION = 6;
export const CAPTURES_SINCE = 2;
/** Rules for choosing a disk, ways to erase it, and what it may hold. */
export const DISK_TERMS_SINCE = 3;
/** Partitions that grow to the disk, and new numbers for disk and file systems. */
export const FIT_SINCE = 4;
/** What a machine does when its disk is restored. */
export const AFTERWARDS_SINCE = 4;
/** Restored systems that say that they are up. */
export const ALIVE_SINCE = 4;
/** A restore that goes on after a power cut, "none" as a restore of what differs, and how much is read back. */
export const RESUME_SINCE = 4;
/** The host's name as one of the order's terms. */
export const NAME_SINCE = 4;
/** Which parts the order has beside its terms, as some of the terms. */
export const PARTS_SINCE = 4;

/** Several servers that know the same: an order's stream may be at another one. */
export const SERVERS_SINCE = 5;
/** What machines show when they register, to be approved by themselves. */
export const ENROLMENT_SINCE = 6;

/** Scripts that run when the disk is restored. */
export const SCRIPTS_SINCE = 3;

/** DNS-SD: `_bootcast._tcp`, TXT records v, key, priority. */
export const SERVICE_TYPE = "bootcast";
export const SERVICE_VERSION = "1";
/** DNS-SD of a single stream, `_bootcast-stream._tcp`: TXT records v, key, image. */
export const STREAM_SERVICE_TYPE = "bootcast-stream";
