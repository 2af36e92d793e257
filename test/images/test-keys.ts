import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** An Ed25519 key pair that is the same in every run: RFC 8410's PKCS #8 frame around 32 equal bytes. */
export function testKey(fill: number): { privateKey: KeyObject; publicKey: KeyObject } {
  const frame = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([frame, Buffer.alloc(32, fill)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}
