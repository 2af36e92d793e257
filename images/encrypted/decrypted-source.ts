import { createDecipheriv, createHmac } from "node:crypto";
import type { BlockSource } from "../block.ts";
import type { EncryptedHeader } from "./header.ts";
import type { ContentKeys } from "./unlock.ts";

const READ_BYTES = 1 << 20;

/** The content of an encrypted image: any place is decrypted without the rest. */
export function decryptedSource(source: BlockSource, header: EncryptedHeader, keys: ContentKeys): BlockSource {
  const { blockBytes, dataOffset, dataBytes } = header;
  const readBlocks = async (first: number, count: number): Promise<Uint8Array> => {
    const start = first * blockBytes;
    // The last block may end early, at a whole unit of the cipher.
    const storedBytes = Math.min(count * blockBytes, Math.ceil((dataBytes - start) / 16) * 16);
    return decryptBlocks(await source.read(dataOffset + start, storedBytes), first, blockBytes, keys);
  };
  return {
    sizeBytes: dataBytes,
    read: async (offset, length) => {
      const result = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const first = Math.floor((offset + done) / blockBytes);
        const skip = offset + done - first * blockBytes;
        const wanted = Math.min(length - done, READ_BYTES);
        const plain = await readBlocks(first, Math.ceil((skip + wanted) / blockBytes));
        result.set(plain.subarray(skip, skip + wanted), done);
        done += wanted;
      }
      return result;
    },
  };
}

/**
 * Decrypts whole blocks that follow each other. The initial vector of block n
 * is the start of HMAC-SHA1 of n, 32 bits, big-endian.
 */
function decryptBlocks(stored: Uint8Array, first: number, blockBytes: number, keys: ContentKeys): Uint8Array {
  // All in one call: only the first 16 bytes of each block then have the wrong vector, which is
  // the end of the block before. That is exchanged below. Twice as fast as a call a block.
  const decipher = createDecipheriv(`aes-${(keys.cipher.symmetricKeySize ?? 0) * 8}-cbc`, keys.cipher, zeroVector);
  decipher.setAutoPadding(false);
  const plain = decipher.update(stored);
  const number = Buffer.alloc(4);
  for (let at = 0; at < stored.length; at += blockBytes) {
    number.writeUInt32BE((first + at / blockBytes) >>> 0);
    const vector = createHmac("sha1", keys.hmac).update(number).digest();
    for (let byte = 0; byte < 16; byte += 1) {
      const wrong = at === 0 ? 0 : stored[at - 16 + byte]!;
      plain[at + byte] = plain[at + byte]! ^ wrong ^ vector[byte]!;
    }
  }
  return plain;
}

const zeroVector = Buffer.alloc(16);
