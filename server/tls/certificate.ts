import type { KeyObject, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";

type Library = typeof import("@peculiar/x509");

/** An EC key on P-256. */
export type KeyPair = { readonly privateKey: KeyObject; readonly publicKey: KeyObject };

export type CertificateTerms = {
  readonly commonName: string;
  /** At most 20 bytes that no other certificate of this authority has (RFC 5280 4.1.2.2). */
  readonly serial: Uint8Array;
  readonly fromMs: number;
  readonly untilMs: number;
};

/** An X.509 certificate (DER), signed with its own key: of an authority that may sign servers and no further authorities. */
export async function makeAuthorityCertificate(terms: CertificateTerms, keys: KeyPair): Promise<Buffer> {
  const x509 = await library();
  const { keyId } = await x509.SubjectKeyIdentifierExtension.create(spkiOf(keys.publicKey));
  const certificate = await x509.X509CertificateGenerator.create({
    ...shared(x509, terms),
    issuer: nameOf(x509, terms),
    publicKey: spkiOf(keys.publicKey),
    signingKey: signingKeyOf(keys.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectKeyIdentifierExtension(keyId),
      new x509.AuthorityKeyIdentifierExtension(keyId),
    ],
  });
  return Buffer.from(certificate.rawData);
}

/** An X.509 certificate (DER) that may be a TLS server and nothing else. `names`: DNS names and IPv4 addresses. */
export async function makeServerCertificate(
  terms: CertificateTerms & { readonly names: readonly string[] },
  publicKey: KeyObject,
  authority: { readonly certificate: X509Certificate; readonly privateKey: KeyObject },
): Promise<Buffer> {
  const x509 = await library();
  // Its name and its key id as they are written there: by these a client finds the authority (RFC 5280 4.2.1.1).
  const issuer = new x509.X509Certificate(authority.certificate.raw);
  const issuerKeyId = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const certificate = await x509.X509CertificateGenerator.create({
    ...shared(x509, terms),
    issuer: issuer.subjectName,
    publicKey: spkiOf(publicKey),
    signingKey: signingKeyOf(authority.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        terms.names.map((value) => ({ type: isIPv4(value) ? "ip" : "dns", value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(spkiOf(publicKey)),
      issuerKeyId === undefined
        ? await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)
        : new x509.AuthorityKeyIdentifierExtension(issuerKeyId),
    ],
  });
  return Buffer.from(certificate.rawData);
}

/** Loaded when a certificate is made and not before: it costs 80 ms, and hardly a start makes one. */
async function library(): Promise<Library> {
  // What the library is put together with refuses to load without it.
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

function shared(x509: Library, terms: CertificateTerms) {
  return {
    serialNumber: Buffer.from(terms.serial).toString("hex"),
    subject: nameOf(x509, terms),
    notBefore: new Date(terms.fromMs),
    notAfter: new Date(terms.untilMs),
  };
}

/** Not as plain text: there quotes would mean something. */
function nameOf({ Name }: Library, { commonName }: CertificateTerms) {
  return new Name([{ CN: [{ utf8String: commonName }] }]);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function signingKeyOf(key: KeyObject) {
  return key.toCryptoKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
}
