/** A registry hive with nothing but its root, as hivex needs one to begin with: one bin, one key, a free cell. */
export function emptyHive(): Buffer {
  const hive = Buffer.alloc(8192);
  hive.write("regf", 0, "latin1");
  hive.writeUInt32LE(7, 4);
  hive.writeUInt32LE(7, 8);
  hive.writeUInt32LE(1, 20);
  hive.writeUInt32LE(5, 24);
  hive.writeUInt32LE(1, 32);
  hive.writeUInt32LE(0x20, 36);
  hive.writeUInt32LE(4096, 40);
  hive.writeUInt32LE(1, 44);
  hive.write("hbin", 4096, "latin1");
  hive.writeUInt32LE(4096, 4096 + 8);
  // The root key: 4 + 76 + name, in whole eights.
  const root = 4096 + 32;
  hive.writeInt32LE(-88, root);
  hive.write("nk", root + 4, "latin1");
  hive.writeUInt16LE(0x2c, root + 4 + 2);
  for (const at of [28, 32, 40, 44, 48]) hive.writeUInt32LE(0xffff_ffff, root + 4 + at);
  hive.writeUInt16LE(4, root + 4 + 72);
  hive.write("ROOT", root + 4 + 76, "latin1");
  // Its security descriptor, which its children share.
  const security = root + 88;
  hive.writeInt32LE(-48, security);
  hive.write("sk", security + 4, "latin1");
  const securityAt = security - 4096;
  hive.writeUInt32LE(securityAt, root + 4 + 44);
  hive.writeUInt32LE(securityAt, security + 4 + 4);
  hive.writeUInt32LE(securityAt, security + 4 + 8);
  hive.writeUInt32LE(1, security + 4 + 12);
  hive.writeUInt32LE(20, security + 4 + 16);
  hive.writeUInt8(1, security + 4 + 20);
  const free = security + 48;
  hive.writeInt32LE(8192 - free, free);
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= hive.readInt32LE(at);
  hive.writeInt32LE(sum, 508);
  return hive;
}
