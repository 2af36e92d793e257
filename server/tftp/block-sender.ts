import type { BatchSender } from "../../udp/batch-sender.ts";
import type { IPv4Peer } from "../../udp/ipv4-peer.ts";

/** What `addBlocks` asks a transfer. */
type Blocks = {
  readonly blockBytes: number;
  wireNumber(block: number): number;
  dataOf(block: number): { readonly from: number; readonly to: number };
};

/** The operation code of DATA in the upper half, the block's number in the lower (RFC 1350 section 5). */
const DATA = 3 << 16;
const HEADER_BYTES = 4;

/**
 * Adds DATA packets of TFTP in a row, straight from the file's memory.
 * @param fileAddress where `file` is in memory
 */
export function addBlocks(
  sender: BatchSender,
  peer: IPv4Peer,
  {
    transfer,
    file,
    fileAddress,
  }: { readonly transfer: Blocks; readonly file: Uint8Array; readonly fileAddress: number },
  { first, count }: { readonly first: number; readonly count: number },
): void {
  const datagramBytes = HEADER_BYTES + transfer.blockBytes;
  const most = sender.mostJoined(datagramBytes);
  for (let block = first; block < first + count; ) {
    const joined = Math.min(most, first + count - block);
    sender.begin(peer, { count: joined, datagramBytes, parts: 2 * joined, copiedBytes: HEADER_BYTES * joined });
    sender.hold(file);
    for (const end = block + joined; block < end; block += 1) {
      const { from, to } = transfer.dataOf(block);
      sender.addNumber(DATA | transfer.wireNumber(block));
      sender.addMemory(fileAddress + from, to - from);
    }
  }
}
