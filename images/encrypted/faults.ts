import { Fault } from "../../fault.ts";

/** Why an encrypted disk image of macOS cannot be read. Each names one thing, for programs and for tests. */
export type EncryptedFaultCode =
  /** The header does not say what such a header says. */
  | "ENCRYPTED_HEADER"
  /** The file ends before its content does. */
  | "ENCRYPTED_TRUNCATED"
  /** A cipher, a mode or a way to lock the key that bootcast does not know. */
  | "ENCRYPTED_KIND"
  /** More rounds of key derivation than any program writes: it would compute for hours. */
  | "ENCRYPTED_ITERATIONS"
  /** Only a certificate opens it, no passphrase. */
  | "ENCRYPTED_NO_PASSPHRASE"
  | "PASSPHRASE_WRONG";

const newCopy = "Copy the image again from where it came from, and compare the copies.";
export const convertOnMac =
  'On a Mac that opens it, make one without encryption: "hdiutil convert IN -format UDZO -o OUT".';

export function damagedHeader(why: string): Fault {
  return new Fault("ENCRYPTED_HEADER", { what: "The header of the encrypted image is damaged.", why, fix: newCopy });
}

export function unknownKind(why: string): Fault {
  return new Fault("ENCRYPTED_KIND", {
    what: "The image is encrypted in a way that bootcast does not know.",
    why,
    fix: convertOnMac,
  });
}

export function encryptedFault(code: EncryptedFaultCode, what: string, why: string, fix = newCopy): Fault {
  return new Fault(code, { what, why, fix });
}

export function wrongPassphrase(): Fault {
  return encryptedFault(
    "PASSPHRASE_WRONG",
    "The passphrase does not open the image.",
    "It does not unlock the key in the image's header. A damaged header looks the same.",
    "Check the passphrase: capitals, keyboard layout, spaces at its end.",
  );
}
