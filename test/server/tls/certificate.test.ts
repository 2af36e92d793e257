import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { Authority } from "../../../server/tls/authority.ts";
import { makeAuthorityCertificate, makeServerCertificate } from "../../../server/tls/certificate.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-certificate-"));
after(() => rmSync(directory, { recursive: true }));
const run = promisify(execFile);
const NAMES = ["10.77.0.1", "10.77.0.3", "lab-server.local"];
const DAY_MS = 86_400_000;

function certificateFile(name: string, pem: string): string {
  const path = join(directory, name);
  writeFileSync(path, pem);
  return path;
}

/** OpenSSL's strictest look at a TLS server's certificate. */
async function verified(ca: string, server: string, ...more: string[]): Promise<string> {
  const strict = ["verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver"];
  const { stdout } = await run("openssl", [...strict, ...more, "-CAfile", ca, server]);
  return stdout.trim();
}

async function textOf(path: string): Promise<string> {
  const { stdout } = await run("openssl", ["x509", "-in", path, "-noout", "-text"]);
  return stdout.replaceAll(/\s+/g, " ");
}

test("OpenSSL, strict, takes the server's certificate for its names, and for no others", async () => {
  const authority = await Authority.open(join(directory, "own"));
  const { cert } = await authority.serverCertificate(NAMES, Date.now());
  const ca = certificateFile("own-ca.pem", authority.pem);
  const server = certificateFile("own-server.pem", cert);
  assert.equal(await verified(ca, server, "-verify_ip", "10.77.0.1"), `${server}: OK`);
  assert.equal(await verified(ca, server, "-verify_ip", "10.77.0.3"), `${server}: OK`);
  assert.equal(await verified(ca, server, "-verify_hostname", "lab-server.local"), `${server}: OK`);
  await assert.rejects(verified(ca, server, "-verify_ip", "10.77.0.2"), /IP address mismatch/);
  await assert.rejects(verified(ca, server, "-verify_hostname", "lab-server"), /hostname mismatch/);
  assert.equal(await verified(ca, ca, "-purpose", "any"), `${ca}: OK`);
});

test("OpenSSL reads what each certificate may do, and for how long", async () => {
  const authority = await Authority.open(join(directory, "own"));
  const { cert } = await authority.serverCertificate(NAMES, Date.now());
  const ca = await textOf(certificateFile("read-ca.pem", authority.pem));
  assert.match(ca, /Version: 3 /);
  assert.match(ca, /Not Before: Jan 1 00:00:00 2020 GMT Not After : Dec 31 23:59:59 2049 GMT/);
  assert.match(ca, /Basic Constraints: critical CA:TRUE, pathlen:0/);
  assert.match(ca, /Key Usage: critical Certificate Sign, CRL Sign X509v3/);
  const server = await textOf(certificateFile("read-server.pem", cert));
  assert.match(server, /Subject: CN ?= ?bootcast server /);
  assert.match(server, /Basic Constraints: critical CA:FALSE/);
  assert.match(server, /Key Usage: critical Digital Signature X509v3/);
  assert.match(server, /Extended Key Usage: TLS Web Server Authentication X509v3/);
  assert.match(server, /Name: IP Address:10.77.0.1, IP Address:10.77.0.3, DNS:lab-server.local X509v3/);
  for (const text of [ca, server]) assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
});

for (const [name, keyId] of [
  ["with a key id of its own kind", "0123456789abcdef"],
  ["without a key id", "none"],
] as const) {
  test(`an authority that another program made, ${name}, goes on signing`, async () => {
    const extensions = ["-addext", `subjectKeyIdentifier=${keyId}`, "-addext", "authorityKeyIdentifier=none"];
    const [key, ca] = [join(directory, "other.key"), join(directory, "other-ca.pem")];
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "900"];
    await run("openssl", [...made, "-keyout", key, "-out", ca, "-subj", "/O=A, B/CN=Site", ...extensions]);
    const place = join(directory, name);
    await Authority.open(place);
    writeFileSync(join(place, "tls", "ca.pem"), readFileSync(key, "utf8") + readFileSync(ca, "utf8"));
    const authority = await Authority.open(place);
    const server = certificateFile("other-server.pem", (await authority.serverCertificate(NAMES, Date.now())).cert);
    // Not strict: these authorities are not ours to make.
    const { stdout } = await run("openssl", ["verify", "-CAfile", ca, server]);
    assert.equal(stdout.trim(), `${server}: OK`);
    assert(new X509Certificate(readFileSync(server)).checkIssued(authority.certificate));
  });
}

test("a name with commas, and times beyond 2049, stay what they are", async () => {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const terms = { commonName: 'A, "B"=C+D', serial: Buffer.of(1), fromMs: Date.UTC(2049, 0, 1) };
  const untilMs = Date.UTC(2051, 5, 1);
  const ca = new X509Certificate(await makeAuthorityCertificate({ ...terms, untilMs }, keys));
  const authority = { certificate: ca, privateKey: keys.privateKey };
  const names = ["a"];
  const server = new X509Certificate(
    await makeServerCertificate({ ...terms, untilMs: untilMs - DAY_MS, names }, keys.publicKey, authority),
  );
  assert.deepEqual(ca.toLegacyObject().subject, { __proto__: null, CN: terms.commonName });
  assert.equal(ca.validToDate.getTime(), untilMs);
  assert.equal(server.validToDate.getTime(), untilMs - DAY_MS);
  assert(server.checkIssued(ca) && server.verify(keys.publicKey));
});
