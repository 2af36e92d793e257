import { createCipheriv, createHmac, pbkdf2Sync } from "node:crypto";

export type SealOptions = {
  readonly passphrase: string;
  readonly keyBits?: 128 | 256;
  readonly blockBytes?: number;
  readonly iterations?: number;
  /** How the key is locked; macOS wrote triple DES, newer ones AES. */
  readonly wrap?: "des" | "aes";
  /** Cuts the last block to whole units of the cipher, as some programs do. */
  readonly isLastBlockCut?: boolean;
};

/** Bytes that look random and are the same each time. */
export function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 167 + seed * 59 + (index >> 8)) & 0xff));
}

/** An encrypted disk image of version 2 around `content`, as macOS writes one. */
export function sealed(content: Uint8Array, options: SealOptions): Buffer {
  const { passphrase, keyBits = 128, blockBytes = 4096, iterations = 1000, wrap = "des" } = options;
  const cipherKey = pattern(keyBits / 8, 1);
  const hmacKey = pattern(20, 2);
  const salt = pattern(20, 3);
  const vector = pattern(wrap === "des" ? 8 : 16, 4);
  const wrapBits = wrap === "des" ? 192 : 256;
  const lockKey = pbkdf2Sync(passphrase, salt, iterations, wrapBits / 8, "sha1");
  const locker = createCipheriv(wrap === "des" ? "des-ede3-cbc" : "aes-256-cbc", lockKey, vector);
  const blob = Buffer.concat([
    locker.update(Buffer.concat([cipherKey, hmacKey, Buffer.from("CKIE\0")])),
    locker.final(),
  ]);
  const header = Buffer.alloc(8192);
  header.write("encrcdsa");
  const words = [2, 16, 5, 0x80000001, keyBits, 91, 160];
  for (const [index, word] of words.entries()) header.writeUInt32BE(word, 8 + index * 4);
  header.writeUInt32BE(blockBytes, 52);
  header.writeBigUInt64BE(BigInt(content.length), 56);
  header.writeBigUInt64BE(BigInt(header.length), 64);
  // Two keys: one of a certificate, which is passed over, and the passphrase's.
  header.writeUInt32BE(2, 72);
  header.writeUInt32BE(2, 76);
  header.writeUInt32BE(1, 96);
  header.writeBigUInt64BE(4096n, 100);
  header.writeBigUInt64BE(616n, 108);
  const lock = header.subarray(4096);
  for (const [at, word] of [
    [0, 103],
    [4, 0],
    [8, iterations],
    [12, salt.length],
    [48, vector.length],
    [84, wrapBits],
    [88, wrap === "des" ? 17 : 0x80000001],
    [92, 7],
    [96, 6],
    [100, blob.length],
  ] as const)
    lock.writeUInt32BE(word, at);
  salt.copy(lock, 16);
  vector.copy(lock, 52);
  blob.copy(lock, 104);
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length; at += blockBytes) {
    const left = Math.min(blockBytes, content.length - at);
    const plain = Buffer.alloc(options.isLastBlockCut ? Math.ceil(left / 16) * 16 : blockBytes);
    plain.set(content.subarray(at, at + left));
    const number = Buffer.alloc(4);
    number.writeUInt32BE(at / blockBytes);
    const blockVector = createHmac("sha1", hmacKey).update(number).digest().subarray(0, 16);
    const cipher = createCipheriv(`aes-${keyBits}-cbc`, cipherKey, blockVector).setAutoPadding(false);
    blocks.push(Buffer.concat([cipher.update(plain), cipher.final()]));
  }
  return Buffer.concat([header, ...blocks]);
}
