import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { keyFingerprint } from "../../images/signature.ts";
import { readdirOrNone, syncDirectory } from "./files.ts";

/** The public half of the site's key: it is enough to read and check images. */
export type SitePublicKey = {
  readonly publicKey: KeyObject;
  /** SHA-256 of the public key (SPKI, DER), lower-case hex. */
  readonly fingerprint: string;
  /** The keys whose images this site accepts: its own, those that it had before, and those of other sites it was told to trust. */
  readonly trusted: readonly KeyObject[];
};

/** The Ed25519 key that signs this site's images. Boot images carry its public half. */
export type SiteKey = SitePublicKey & { readonly privateKey: KeyObject };

/**
 * The site's key in `<dataDir>/keys/site.key` (PKCS #8 PEM, mode 0600); made,
 * together with `site.pub` (SPKI PEM), when there is none yet.
 *
 * @throws {Fault} KEY_INVALID when the file holds something else, KEY_EXPOSED when others may read it
 */
export async function loadSiteKey(dataDir: string): Promise<SiteKey> {
  const directory = join(dataDir, "keys");
  const path = join(directory, "site.key");
  const pem = (await readKey(path)) ?? (await makeKey(directory, path));
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (cause) {
    throw invalidKey(path, "It is not a private key in PEM form.", cause);
  }
  if (privateKey.asymmetricKeyType !== "ed25519") throw invalidKey(path, "It is not an Ed25519 key.");
  const publicKey = createPublicKey(privateKey);
  await writePublicKey(join(directory, "site.pub"), publicKey);
  const fingerprint = keyFingerprint(publicKey);
  return { privateKey, publicKey, fingerprint, trusted: [publicKey, ...(await readTrustedKeys(dataDir))] };
}

/**
 * The public half of the site's key, from `<dataDir>/keys/site.pub`. Makes nothing.
 *
 * @throws {Fault} SITE_KEY_ABSENT when there is none yet, KEY_INVALID when the file holds something else
 */
export async function readSitePublicKey(dataDir: string): Promise<SitePublicKey> {
  const path = join(dataDir, "keys", "site.pub");
  let pem: Buffer;
  try {
    pem = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw absentKey(path, error);
    throw error;
  }
  const publicKey = parsePublicKey(pem.toString(), path);
  const trusted = [publicKey, ...(await readTrustedKeys(dataDir))];
  return { publicKey, fingerprint: keyFingerprint(publicKey), trusted };
}

/**
 * Makes a new site key. The one before stays trusted: what it signed is read as before, and nothing else can be
 * signed with it, for its private half is gone.
 *
 * Between any two steps of this there is one key, and all images can be read.
 */
export async function rotateSiteKey(dataDir: string): Promise<{ readonly before: SiteKey; readonly after: SiteKey }> {
  const before = await loadSiteKey(dataDir);
  const directory = join(dataDir, "keys");
  await trustKey(dataDir, before.publicKey);
  const path = join(directory, "site.key");
  const temporary = `${path}.${randomUUID()}.temp`;
  const { privateKey } = generateKeyPairSync("ed25519");
  await writeSynced(temporary, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
  await rename(temporary, path);
  await syncDirectory(directory);
  return { before, after: await loadSiteKey(dataDir) };
}

/** Accepts from now on what this key signed. Saying it again changes nothing. */
export async function trustKey(dataDir: string, key: KeyObject): Promise<void> {
  const directory = join(dataDir, "keys", "trusted");
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await writePublicKey(join(directory, `${keyFingerprint(key)}.pub`), key);
  await syncDirectory(directory);
}

/**
 * The Ed25519 public key of a PEM text.
 *
 * @throws {Fault} KEY_INVALID
 */
export function parsePublicKey(pem: string, path: string): KeyObject {
  // From a private key one would make a public one without a word.
  if (pem.includes("PRIVATE KEY")) throw invalidKey(path, "It is a private key. Only public keys are handed around.");
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey(pem);
  } catch (cause) {
    throw invalidKey(path, "It is not a public key in PEM form.", cause);
  }
  if (publicKey.asymmetricKeyType !== "ed25519") throw invalidKey(path, "It is not an Ed25519 key.");
  return publicKey;
}

/** Those of `<dataDir>/keys/trusted/*.pub`. */
async function readTrustedKeys(dataDir: string): Promise<KeyObject[]> {
  const directory = join(dataDir, "keys", "trusted");
  const files = (await readdirOrNone(directory)).filter((file) => file.endsWith(".pub")).sort();
  return Promise.all(
    files.map(async (file) => {
      const path = join(directory, file);
      return parsePublicKey(await readFile(path, "utf8"), path);
    }),
  );
}

async function readKey(path: string): Promise<Buffer | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw exposedKey(path, mode);
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function makeKey(directory: string, path: string): Promise<Buffer> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("ed25519");
  const temporary = `${path}.${randomUUID()}.temp`;
  await writeSynced(temporary, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
  try {
    // Unlike rename, link never replaces: of two processes that start at once, both use the first one's key.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await unlink(temporary);
  }
  return readFile(path);
}

async function writePublicKey(path: string, publicKey: KeyObject): Promise<void> {
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const written = await readFile(path, "utf8").catch(() => "");
  if (written === pem) return;
  const temporary = `${path}.${randomUUID()}.temp`;
  await writeSynced(temporary, pem, 0o644);
  await rename(temporary, path);
}

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function absentKey(path: string, cause: unknown): Fault {
  return new Fault(
    "SITE_KEY_ABSENT",
    {
      what: `There is no site key ${path}, so no image can be checked.`,
      why: "No image was imported yet, or this is not the server's data directory. Reading images makes no key.",
      fix: 'Check --data-dir. "bootcast image import" and "bootcast serve" make the key, or write its public half anew.',
    },
    cause,
  );
}

function invalidKey(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "KEY_INVALID",
    {
      what: `The site's key ${path} cannot be used.`,
      why,
      fix: 'Put the site\'s own key back from a backup. A new key (delete the file) means: import all images and build the boot image again; "bootcast image keys rotate" makes one that leaves them valid.',
    },
    cause,
  );
}

function exposedKey(path: string, mode: number): Fault {
  return new Fault("KEY_EXPOSED", {
    what: `Other users may read the site's key ${path}.`,
    why: `Its mode is ${(mode & 0o777).toString(8)}. Who has it can make images that every machine of the site accepts.`,
    fix: `chmod 600 ${path}`,
  });
}
