import { createHash, type KeyObject, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import {
  around,
  bitString,
  derTrue,
  instead,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";

/** Who a certificate is about. */
export type CertificateFor = {
  readonly commonName: string;
  readonly publicKey: KeyObject;
};

export type CertificateTerms = {
  readonly subject: CertificateFor;
  /** The authority; of its own certificate it is the subject itself. */
  readonly issuer: CertificateFor & { readonly privateKey: KeyObject };
  /** At most 20 bytes that no other certificate of this authority has (RFC 5280 4.1.2.2). */
  readonly serial: Uint8Array;
  readonly fromMs: number;
  readonly untilMs: number;
  /** What a server is called: DNS names and IPv4 addresses. Absent: the certificate of an authority. */
  readonly names?: readonly string[];
};

const ecdsaWithSha256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));

/**
 * An X.509 certificate (RFC 5280) of an EC key on P-256, signed with another one: DER.
 *
 * An authority may sign servers and no further authorities; a server may be a TLS server and nothing else.
 */
export function makeCertificate(terms: CertificateTerms): Buffer {
  const { subject, issuer, names } = terms;
  const toBeSigned = sequence(
    // Version 3.
    around(0, integer(Buffer.from([2]))),
    integer(terms.serial),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(terms.fromMs), time(terms.untilMs)),
    nameOf(subject),
    spkiOf(subject.publicKey),
    around(3, sequence(...(names === undefined ? authorityExtensions() : serverExtensions(names)), ...keyIds(terms))),
  );
  return sequence(toBeSigned, ecdsaWithSha256, bitString(sign("sha256", toBeSigned, issuer.privateKey)));
}

/** DER as the text that TLS libraries and browsers read. */
export function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function nameOf({ commonName }: CertificateFor): Buffer {
  return sequence(set(sequence(objectIdentifier("2.5.4.3"), utf8String(commonName))));
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function authorityExtensions(): Buffer[] {
  const noFurther = integer(Buffer.from([0]));
  return [
    critical("2.5.29.19", sequence(derTrue, noFurther)),
    // keyCertSign and cRLSign are bits 5 and 6.
    critical("2.5.29.15", bitString(Buffer.from([0x06]), 1)),
  ];
}

function serverExtensions(names: readonly string[]): Buffer[] {
  const alternatives = names.map((name) =>
    isIPv4(name) ? instead(7, Buffer.from(name.split(".").map(Number))) : instead(2, Buffer.from(name, "ascii")),
  );
  return [
    critical("2.5.29.19", sequence()),
    // digitalSignature is bit 0.
    critical("2.5.29.15", bitString(Buffer.from([0x80]), 7)),
    extension("2.5.29.37", sequence(objectIdentifier("1.3.6.1.5.5.7.3.1"))),
    extension("2.5.29.17", sequence(...alternatives)),
  ];
}

/** By which a client finds the authority of a certificate (RFC 5280 4.2.1.1 and 4.2.1.2). */
function keyIds({ subject, issuer }: CertificateTerms): Buffer[] {
  return [
    extension("2.5.29.14", octetString(keyId(subject.publicKey))),
    extension("2.5.29.35", sequence(instead(0, keyId(issuer.publicKey)))),
  ];
}

/** RFC 7093, method 1 over the whole SPKI: the first 160 bits of its SHA-256. */
function keyId(key: KeyObject): Buffer {
  return createHash("sha256").update(spkiOf(key)).digest().subarray(0, 20);
}

function extension(id: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(id), octetString(value));
}

function critical(id: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(id), derTrue, octetString(value));
}
