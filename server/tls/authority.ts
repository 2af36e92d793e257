import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { syncDirectory } from "../store/files.ts";
import { type KeyPair, makeAuthorityCertificate, makeServerCertificate } from "./certificate.ts";
import { type CertificateNow, needsNewCertificate } from "./certificate-rules.ts";

const DAY_MS = 86_400_000;
/** Clients pin the authority. Its time is fixed, so a clock that is wrong at the first start does no harm. */
const AUTHORITY_FROM_MS = Date.UTC(2020, 0, 1);
const AUTHORITY_UNTIL_MS = Date.UTC(2050, 0, 1) - 1000;
/** Browsers take no server certificate that is good for more than 398 days. */
const SERVER_DAYS = 397;
/** Clocks of clients may be behind. */
const EARLIER_MS = DAY_MS;

/** What a TLS listener needs, and what clients pin. */
export type ServerCertificate = {
  /** PEM. */
  readonly key: string;
  /** PEM: the server's certificate, then the authority's. */
  readonly cert: string;
  /** When it was to be renewed. */
  readonly untilMs: number;
};

/**
 * The site's own certificate authority in `<dataDir>/tls`, made at first use. Clients pin its fingerprint, so the
 * server's certificate can be renewed, and its addresses can change, and nobody notices.
 */
export class Authority {
  readonly #directory: string;
  readonly #privateKey: KeyObject;
  readonly certificate: X509Certificate;

  private constructor(directory: string, privateKey: KeyObject, certificate: X509Certificate) {
    this.#directory = directory;
    this.#privateKey = privateKey;
    this.certificate = certificate;
  }

  /** @throws {Fault} TLS_KEY_INVALID, KEY_EXPOSED */
  static async open(dataDir: string): Promise<Authority> {
    const directory = join(dataDir, "tls");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const written = (await readPair(directory, "ca")) ?? (await makeAuthority(directory));
    return new Authority(directory, written.privateKey, written.certificate);
  }

  /** SHA-256 of the authority's certificate (DER), lower-case hex: what clients pin. */
  get fingerprint(): string {
    return fingerprintOf(this.certificate);
  }

  /** The authority's certificate for browsers to trust: PEM. */
  get pem(): string {
    return this.certificate.toString();
  }

  /** The server's certificate for these names; the one that there is while it is good. */
  async serverCertificate(names: readonly string[], nowMs: number): Promise<ServerCertificate> {
    const there = await readPair(this.#directory, "server").catch(() => undefined);
    if (there !== undefined && !needsNewCertificate(this.#stateOf(there.certificate), names, nowMs)) {
      return this.#served(there);
    }
    return this.#served(await this.#makeServer(names, nowMs));
  }

  #stateOf(certificate: X509Certificate): CertificateNow {
    return {
      isOurs: certificate.verify(this.certificate.publicKey),
      names: namesOf(certificate),
      fromMs: certificate.validFromDate.getTime(),
      untilMs: certificate.validToDate.getTime(),
    };
  }

  #served({ privateKey, certificate }: Pair): ServerCertificate {
    return {
      key: pemOfKey(privateKey),
      cert: certificate.toString() + this.pem,
      untilMs: certificate.validToDate.getTime(),
    };
  }

  async #makeServer(names: readonly string[], nowMs: number): Promise<Pair> {
    const { privateKey, publicKey } = newKey();
    const terms = {
      commonName: "bootcast server",
      serial: newSerial(),
      fromMs: nowMs - EARLIER_MS,
      // Never longer than its authority.
      untilMs: Math.min(nowMs - EARLIER_MS + SERVER_DAYS * DAY_MS, this.certificate.validToDate.getTime()),
      names,
    };
    const der = await makeServerCertificate(terms, publicKey, {
      certificate: this.certificate,
      privateKey: this.#privateKey,
    });
    return writePair(this.#directory, "server", privateKey, der);
  }
}

/** SHA-256 of a certificate (DER), lower-case hex without colons. */
export function fingerprintOf(certificate: Pick<X509Certificate, "fingerprint256">): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}

type Pair = { readonly privateKey: KeyObject; readonly certificate: X509Certificate };

async function makeAuthority(directory: string): Promise<Pair> {
  const keys = newKey();
  const serial = newSerial();
  const der = await makeAuthorityCertificate(
    {
      // Two sites' authorities in one browser are told apart by this.
      commonName: `bootcast ${Buffer.from(serial).toString("hex").slice(0, 8)}`,
      serial,
      fromMs: AUTHORITY_FROM_MS,
      untilMs: AUTHORITY_UNTIL_MS,
    },
    keys,
  );
  return writePair(directory, "ca", keys.privateKey, der);
}

function newKey(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** Positive, and never the same twice (RFC 5280 4.1.2.2). */
function newSerial(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

/** Node writes them as "DNS:lab-server, IP Address:10.77.0.1". */
function namesOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? "").split(", ").map((name) => name.replace(/^(DNS|IP Address):/, ""));
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Key and certificate lie in one file, so that a power cut never leaves those of two. */
async function writePair(directory: string, name: string, privateKey: KeyObject, der: Uint8Array): Promise<Pair> {
  const path = join(directory, `${name}.pem`);
  const temporary = `${path}.temp`;
  const certificate = new X509Certificate(der);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(pemOfKey(privateKey) + certificate.toString());
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(directory);
  return { privateKey, certificate };
}

/** @throws {Fault} TLS_KEY_INVALID, KEY_EXPOSED */
async function readPair(directory: string, name: string): Promise<Pair | undefined> {
  const path = join(directory, `${name}.pem`);
  let pem: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw exposed(path, mode);
    pem = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const privateKey = createPrivateKey(pem);
    const certificate = new X509Certificate(pem);
    if (!createPublicKey(privateKey).equals(certificate.publicKey))
      throw new Error("Key and certificate do not belong together.");
    return { privateKey, certificate };
  } catch (cause) {
    throw new Fault(
      "TLS_KEY_INVALID",
      {
        what: `The certificate in ${path} cannot be used.`,
        why: (cause as Error).message,
        fix: "Put it back from a backup. Moved away, a new one is made: then token files and browsers have to be told the new fingerprint.",
      },
      cause,
    );
  }
}

function exposed(path: string, mode: number): Fault {
  return new Fault("KEY_EXPOSED", {
    what: `Other users may read the key in ${path}.`,
    why: `Its mode is ${(mode & 0o777).toString(8)}. Who has it can pretend to be this server.`,
    fix: `chmod 600 ${path}`,
  });
}
