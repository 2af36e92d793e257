import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { TailKey } from "../../multicast/tail-proofs.ts";
import type { Joined } from "../contract.ts";

const SIGNATURE_BYTES = 64;

/** Checks what the sender of a stream signs, by the key that the server gave when this receiver joined. */
export function joinedTailKey(joined: () => Joined | undefined): TailKey {
  let known: { readonly text: string; readonly key: KeyObject | undefined } | undefined;
  return {
    get key() {
      return joined()?.tailKey;
    },
    isSigned(text, bytes, payload) {
      if (known?.text !== text) known = { text, key: keyOf(text) };
      return known.key !== undefined && verify(null, bytes, known.key, payload.subarray(0, SIGNATURE_BYTES));
    },
  };
}

// A server that says something else is taken as one that says nothing.
function keyOf(text: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}
