/** Node cuts small buffers from shared pieces of at most 64 KiB: those are not ours alone. */
const LEAST_BYTES = 1 << 17;

/**
 * Gives the memory under `bytes` back at once, not when garbage is collected: then up to 64 MiB a thread lie about, and
 * fresh memory takes as long as compressing into it. Every view of it is empty afterwards.
 *
 * @param bytes what nobody else has a view of, and which a library has made for this call; pieces of one buffer may follow each other
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= LEAST_BYTES) buffer.transfer(0);
}
