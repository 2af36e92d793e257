import { createPublicKey, type KeyObject } from "node:crypto";
import { Fault } from "../../fault.ts";

/** The boot image carries public keys here, SPKI PEM: the site's own first, then others whose images it restores. */
export const SITE_KEYS_PATH = "/etc/bootcast/site.pub";

/**
 * The keys whose manifests this agent trusts. The first is that of the server whose orders it carries out.
 *
 * @throws {Fault} SITE_KEY_MISSING when there is none that can be read
 */
export function parseSiteKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g) ?? [];
  try {
    const keys = blocks.map((block) => createPublicKey(block));
    if (keys.length > 0 && keys.every((key) => key.asymmetricKeyType === "ed25519")) return keys;
  } catch (error) {
    throw missing("A key in it cannot be read.", error);
  }
  throw missing(keysAbsent);
}

const keysAbsent = "There is no Ed25519 public key in it.";

function missing(why: string, cause?: unknown): Fault {
  return new Fault(
    "SITE_KEY_MISSING",
    {
      what: `The boot image does not say whom to trust (${SITE_KEYS_PATH}).`,
      why,
      fix: 'Build the boot image on the server that has the site\'s key: "bootcast boot-image build".',
    },
    cause,
  );
}
