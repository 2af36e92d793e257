import { generateKeyPairSync, sign } from "node:crypto";
import { tailText } from "../../multicast/tail-proofs.ts";

/**
 * Signs the canaries at the end of a pass, with a key that is made for one stream and one run of the server: receivers
 * are told it when they join, and they join again when the server was started again.
 */
export class TailSigner {
  /** Ed25519, SPKI, base64. */
  readonly publicKey: string;
  readonly #sign: (text: Uint8Array) => Uint8Array;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.publicKey = publicKey.export({ type: "spki", format: "der" }).toString("base64");
    this.#sign = (text) => sign(null, text, privateKey);
  }

  /** The payload of the canary. */
  sign(canary: Parameters<typeof tailText>[0]): Uint8Array {
    return this.#sign(tailText(canary));
  }
}
