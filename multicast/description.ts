/**
 * Everything a receiver must know before the first symbol: given over the
 * control connection, never over the group.
 *
 * The packs in `packs` are laid end to end in stream order and cut into blocks
 * of `symbolsPerBlock` symbols of `symbolBytes`; the last block and its last
 * symbol are padded with zeros. Shared by sender, receiver and both ends' I/O.
 */
export type StreamDescription = {
  /** 16 lower-case hex digits, random for each stream: symbols of others are dropped by it. */
  readonly streamId: string;
  /** SHA-256 of the signed manifest's bytes, lower-case hex. */
  readonly manifestDigest: string;
  /** IPv4 multicast group and UDP port that the symbols go to. */
  readonly group: string;
  readonly port: number;
  /** SYMBOL_BYTES, or more where the network carries larger frames: multicast/frame-size.ts. */
  readonly symbolBytes: number;
  readonly symbolsPerBlock: number;
  /** Runs of pack numbers of the manifest that are sent: [first, count], ascending. */
  readonly packs: readonly (readonly [number, number])[];
  /** Every pack is sealed with a key that receivers get when they join: images/sealed-pack.ts. */
  readonly isSealed?: boolean;
  /** The sum of the bytes of those packs, as they are sent. */
  readonly streamBytes: number;
  /** Most bytes per second on the wire, UDP and IP headers included. */
  readonly rateBytesPerSecond: number;
};

/** With the header of a datagram, UDP's and IP's: exactly an Ethernet frame of 1500. */
export const SYMBOL_BYTES = 1452;

/** Longer blocks cost less parity: 16 hosts that lose 5 % are sent 1.085 times the image with 192, 1.093 with 128. */
const SYMBOLS_PER_BLOCK = 192;
/** Receivers hold whole blocks in memory. */
const LARGE_SYMBOLS_PER_BLOCK = 128;

/** How many symbols of this size a stream's blocks have. The rest of 256 numbers is for parity. */
export function symbolsPerBlockOf(symbolBytes: number): number {
  return symbolBytes > SYMBOL_BYTES ? LARGE_SYMBOLS_PER_BLOCK : SYMBOLS_PER_BLOCK;
}
