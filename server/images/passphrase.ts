import { Fault } from "../../fault.ts";
import type { EncryptedHeader } from "../../images/encrypted/header.ts";
import { type ContentKeys, unlock } from "../../images/encrypted/unlock.ts";

/** Gives a passphrase: called with 1, and with 2 and 3 when the one before was wrong. */
export type PassphraseSource = (attempt: number) => Promise<string>;

const MOST_ATTEMPTS = 3;

/**
 * Unlocks an encrypted image, with three tries at most. The same passphrase is not tried twice.
 *
 * @throws {Fault} PASSPHRASE_MISSING, PASSPHRASE_WRONG
 */
export async function unlockWith(header: EncryptedHeader, ask: PassphraseSource | undefined): Promise<ContentKeys> {
  if (ask === undefined) throw missing();
  let last: string | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const passphrase = await ask(attempt);
    try {
      return await unlock(header, passphrase);
    } catch (error) {
      const isWrong = error instanceof Fault && error.code === "PASSPHRASE_WRONG";
      if (!isWrong || attempt === MOST_ATTEMPTS || passphrase === last) throw error;
      last = passphrase;
    }
  }
}

function missing(): Fault {
  return new Fault("PASSPHRASE_MISSING", {
    what: "The image is encrypted, and no passphrase was given.",
    why: "Nobody can be asked for it here.",
    fix: "Write it to a file that only you can read, and add --passphrase-file FILE.",
  });
}
