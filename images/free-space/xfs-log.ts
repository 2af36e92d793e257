import { expect, type Volume } from "./volume.ts";

const BLOCK_BYTES = 512;
const RECORD_MAGIC = 0xfeedbabe;
const UNMOUNT_FLAG = 0x20;
/** No record is longer: its header, and 256 KiB behind it (xfs_log_format.h, XLOG_MAX_RECORD_BSIZE). */
const MOST_RECORD_BYTES = 256 * 1024 + 8 * BLOCK_BYTES;
const BYTES_A_HEADER_BLOCK = 32 * 1024;
const MOST_LOG_BYTES = 2 ** 32;

/**
 * True when the last thing in a file system's log says that it was unmounted.
 *
 * Every block of the log begins with the number of the round in which it was
 * written, so the end of the newest record is where that number falls by one.
 * Source: linux/fs/xfs/xfs_log_recover.c (xlog_find_head, xlog_check_unmount_rec).
 *
 * @param log the part of the volume that holds it
 */
export async function isXfsLogClean(log: Volume): Promise<boolean> {
  const blocks = Math.floor(log.sizeBytes / BLOCK_BYTES);
  expect(blocks >= 2 && log.sizeBytes <= MOST_LOG_BYTES, "its log is impossible");
  const head = await headOf(log, blocks);
  const length = Math.min(MOST_RECORD_BYTES, blocks * BLOCK_BYTES);
  const bytes = await readBefore(log, head, blocks, length);
  for (let at = bytes.length - BLOCK_BYTES; at >= 0; at -= BLOCK_BYTES) {
    if (bytes.readUInt32BE(at) !== RECORD_MAGIC) continue;
    const record = bytes.subarray(at);
    const headerBlocks =
      (record.readUInt32BE(8) & 2) === 0 ? 1 : Math.max(1, Math.ceil(record.readUInt32BE(320) / BYTES_A_HEADER_BLOCK));
    const operationAt = headerBlocks * BLOCK_BYTES;
    const recordBytes = operationAt + Math.ceil(record.readUInt32BE(12) / BLOCK_BYTES) * BLOCK_BYTES;
    // It must be all that the record holds, and nothing may follow.
    const isOnly = record.readUInt32BE(40) === 1 && recordBytes === record.length && recordBytes > operationAt;
    return isOnly && (record.readUInt8(operationAt + 9) & UNMOUNT_FLAG) !== 0;
  }
  return false;
}

/** The first block of the older round: 0 when all of the log is of one round. */
async function headOf(log: Volume, blocks: number): Promise<number> {
  const newest = await roundOf(log, 0);
  if ((await roundOf(log, blocks - 1)) === newest) return 0;
  let low = 0;
  let high = blocks - 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await roundOf(log, middle)) === newest) low = middle;
    else high = middle;
  }
  return high;
}

async function roundOf(log: Volume, block: number): Promise<number> {
  const front = await log.read(block * BLOCK_BYTES, 8);
  const first = front.readUInt32BE(0);
  return first === RECORD_MAGIC ? front.readUInt32BE(4) : first;
}

/** So many bytes in front of a block, from the log's end where its beginning is reached. */
async function readBefore(log: Volume, block: number, blocks: number, length: number): Promise<Buffer> {
  const end = block * BLOCK_BYTES;
  if (end >= length) return log.read(end - length, length);
  const missing = length - end;
  return Buffer.concat([await log.read(blocks * BLOCK_BYTES - missing, missing), await log.read(0, end)]);
}
