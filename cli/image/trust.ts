import { createPublicKey, type KeyObject } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { keyFingerprint } from "../../images/signature.ts";

/**
 * The keys whose images a restore accepts: those of `--trust FILE`, or else the
 * site's own of the data directory and those it trusts besides. Undefined when there is neither: then the
 * caller may take the server's key, and must say so.
 *
 * @throws {Fault} TRUST_INVALID
 */
export function trustedKeys(trustFile: string | undefined, dataDir: string): KeyObject[] | undefined {
  if (trustFile !== undefined) return readKeys(trustFile);
  const site = join(dataDir, "keys", "site.pub");
  if (!existsSync(site)) return undefined;
  const directory = join(dataDir, "keys", "trusted");
  const others = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith(".pub")) : [];
  return [site, ...others.map((file) => join(directory, file))].flatMap(readKeys);
}

/** The key that a server says it signs with. */
export function serverKey(pem: string): { readonly key: KeyObject; readonly fingerprint: string } {
  const key = keyOf(pem, "the server");
  return { key, fingerprint: keyFingerprint(key) };
}

function readKeys(path: string): KeyObject[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(path, (error as Error).message, error);
  }
  const pems = text.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g);
  if (pems === null) throw invalid(path, "It holds no public key in PEM form.");
  return pems.map((pem) => keyOf(pem, path));
}

function keyOf(pem: string, from: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw invalid(from, "It is not a public key in PEM form.", error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw invalid(from, "It is not an Ed25519 key.");
  return key;
}

function invalid(from: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "TRUST_INVALID",
    {
      what: `The key of ${from} cannot be used.`,
      why,
      fix: "Give the file keys/site.pub of the server's data directory to --trust.",
    },
    cause,
  );
}
