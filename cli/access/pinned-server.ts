import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { Fault } from "../../fault.ts";
import { fingerprintOf } from "../../server/tls/authority.ts";

const CONNECT_WITHIN_MS = 10_000;

/**
 * Asks a server for its certificates, and answers that of the authority with this fingerprint (PEM). Nothing was sent
 * to the server yet; connections that are made with the authority are checked in full.
 *
 * @throws {Fault} SERVER_UNREACHABLE, SERVER_NOT_TRUSTED
 */
export async function pinnedAuthority(url: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(url);
  // Nothing is believed of this connection: it only brings a certificate, which is compared.
  const socket = connect({ host: hostname, port: Number(port || 443), rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECT_WITHIN_MS) });
    const certificates = chainOf(socket.getPeerCertificate(true));
    const authority = certificates.find((one) => fingerprintOf(one) === fingerprint);
    if (authority !== undefined) return authority.toString();
    throw notTrusted(url, certificates.at(-1));
  } catch (error) {
    throw error instanceof Fault ? error : unreachable(url, error);
  } finally {
    socket.destroy();
  }
}

function chainOf(first: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  // The last one is its own issuer.
  for (let at = first; at.raw !== undefined; at = at.issuerCertificate) {
    chain.push(new X509Certificate(at.raw));
    if (at.issuerCertificate === undefined || at.issuerCertificate === at || chain.length > 8) break;
  }
  return chain;
}

/** Why a server on another machine gave no answer. */
export function unreachable(url: string, cause: unknown): Fault {
  const { name, message } = cause as Error;
  return new Fault(
    "SERVER_UNREACHABLE",
    {
      what: `No bootcast server answers at ${url}.`,
      why: name === "AbortError" ? `Nothing came within ${CONNECT_WITHIN_MS / 1000} s.` : message,
      fix: 'Check the address and the port (https.port), and that the server runs: "bootcast status" there.',
    },
    cause,
  );
}

function notTrusted(url: string, last: X509Certificate | undefined): Fault {
  return new Fault("SERVER_NOT_TRUSTED", {
    what: `Whoever answers at ${url} is not the server of this token.`,
    why: `Its authority is ${last === undefined ? "none" : fingerprintOf(last)}, and the token file has another fingerprint.`,
    fix: 'Nothing was sent. If the server was set up anew, compare with "bootcast status --json" there and make a new token; otherwise somebody listens.',
  });
}
