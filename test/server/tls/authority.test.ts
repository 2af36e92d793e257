import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, createServer } from "node:tls";
import { Authority, fingerprintOf } from "../../../server/tls/authority.ts";
import { needsNewCertificate } from "../../../server/tls/certificate-rules.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-tls-"));
after(() => rmSync(directory, { recursive: true }));
const NOW = Date.now();
const DAY_MS = 86_400_000;

test("a server certificate is taken by a TLS client that trusts the authority, for its names and no others", async () => {
  const authority = await Authority.open(join(directory, "one"));
  const { key, cert } = await authority.serverCertificate(["127.0.0.1", "lab-server"], NOW);
  const server = createServer({ key, cert }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const outcomeOf = async (ca: string, servername?: string) => {
    const socket = connect({ host: "127.0.0.1", port, ca, ...(servername && { servername }) });
    try {
      await once(socket, "secureConnect");
      return "fine";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      socket.destroy();
    }
  };
  try {
    assert.equal(await outcomeOf(authority.pem), "fine");
    assert.equal(await outcomeOf(authority.pem, "lab-server"), "fine");
    assert.equal(await outcomeOf(authority.pem, "elsewhere"), "ERR_TLS_CERT_ALTNAME_INVALID");
    const other = await Authority.open(join(directory, "two"));
    assert.notEqual(await outcomeOf(other.pem), "fine");
  } finally {
    server.close();
  }
});

test("what is in the certificates: who may sign, and what they are for", async () => {
  const authority = await Authority.open(join(directory, "three"));
  const { cert } = await authority.serverCertificate(["10.77.0.1", "lab-server.local"], NOW);
  const server = new X509Certificate(cert);
  assert.equal(authority.certificate.ca, true);
  assert.equal(server.ca, false);
  assert.deepEqual(server.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(server.subjectAltName, "IP Address:10.77.0.1, DNS:lab-server.local");
  assert(server.checkIssued(authority.certificate) && server.verify(authority.certificate.publicKey));
  assert(authority.certificate.verify(authority.certificate.publicKey));
  assert(server.validToDate.getTime() - server.validFromDate.getTime() <= 398 * DAY_MS, "browsers take no longer ones");
  assert(server.validToDate <= authority.certificate.validToDate);
  assert.match(authority.fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(fingerprintOf(authority.certificate), authority.fingerprint);
});

test("started again it is the same authority and the same certificate; renewed, the pin still holds", async () => {
  const place = join(directory, "four");
  const first = await Authority.open(place);
  const certificate = await first.serverCertificate(["10.77.0.1"], NOW);
  for (const file of ["ca.pem", "server.pem"]) assert.equal(statSync(join(place, "tls", file)).mode & 0o777, 0o600);
  const again = await Authority.open(place);
  assert.equal(again.fingerprint, first.fingerprint);
  assert.equal((await again.serverCertificate(["10.77.0.1"], NOW)).cert, certificate.cert);
  const later = await again.serverCertificate(["10.77.0.1"], NOW + 300 * DAY_MS);
  assert.notEqual(later.cert, certificate.cert);
  assert(new X509Certificate(later.cert).verify(first.certificate.publicKey));
  const moved = await again.serverCertificate(["10.77.0.9"], NOW + 300 * DAY_MS);
  assert.match(new X509Certificate(moved.cert).subjectAltName ?? "", /10\.77\.0\.9/);
  const longAfter = await again.serverCertificate(["10.77.0.9"], Date.UTC(2049, 11, 1));
  assert(new X509Certificate(longAfter.cert).validToDate <= first.certificate.validToDate);
});

test("a broken server certificate is made anew; a broken or exposed authority is a Fault", async () => {
  const place = join(directory, "five");
  const authority = await Authority.open(place);
  await authority.serverCertificate(["a"], NOW);
  writeFileSync(join(place, "tls", "server.pem"), "rubbish");
  await authority.serverCertificate(["a"], NOW);
  chmodSync(join(place, "tls", "ca.pem"), 0o644);
  await assert.rejects(Authority.open(place), { code: "KEY_EXPOSED" });
  chmodSync(join(place, "tls", "ca.pem"), 0o600);
  writeFileSync(join(place, "tls", "ca.pem"), "rubbish");
  await assert.rejects(Authority.open(place), { code: "TLS_KEY_INVALID" });
});

const good = { isOurs: true, names: ["a", "b"], fromMs: 0, untilMs: 300 };
for (const [name, now, wanted, nowMs, isNeeded] of [
  ["good", good, ["a"], 10, false],
  ["its last third", good, ["a"], 200, true],
  ["over", good, ["a"], 400, true],
  ["made when the clock was ahead", good, ["a"], -1, true],
  ["a name more", good, ["a", "c"], 10, true],
  ["a name less", good, [], 10, false],
  ["of another authority", { ...good, isOurs: false }, ["a"], 10, true],
] as const) {
  test(`certificate: ${name}: ${isNeeded ? "renewed" : "kept"}`, () => {
    assert.equal(needsNewCertificate(now, wanted, nowMs), isNeeded);
  });
}
