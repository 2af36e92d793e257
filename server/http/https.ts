import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { ServerCertificate } from "../tls/authority.ts";
import { type ConnectionLimits, limitConnections } from "./connections.ts";
import type { HttpServer } from "./http.ts";
import { portRefused } from "./http.ts";

const HANDSHAKE_WITHIN_MS = 10_000;

/** A TLS listener in front of an HTTP server that listens elsewhere, too. */
export type HttpsListener = {
  /** The server itself, for listeners on further addresses. */
  readonly server: Server;
  readonly port: number;
  /** From now on for new connections. */
  setCertificate(certificate: ServerCertificate): void;
  stop(): Promise<void>;
};

/**
 * Serves the routes of `http` with TLS as well.
 *
 * @throws {Fault} PORT_TAKEN, PORT_REFUSED
 */
export async function listenHttps(
  http: HttpServer,
  options: ConnectionLimits & { readonly host: string; readonly port: number; readonly certificate: ServerCertificate },
): Promise<HttpsListener> {
  const { host, port, certificate } = options;
  const { key, cert } = certificate;
  await http.ready();
  const limits = {
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    requestTimeout: http.server.requestTimeout,
    keepAliveTimeout: http.server.keepAliveTimeout,
  };
  const server = createServer({ key, cert, minVersion: "TLSv1.2", ...limits }, (request, response) =>
    http.routing(request, response),
  );
  limitConnections(server, options);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(portRefused(host, port, "https.port in bootcast.toml", error)));
    server.listen({ host, port }, () => resolve());
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    setCertificate: ({ key, cert }) => server.setSecureContext({ key, cert, minVersion: "TLSv1.2" }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Feeds never end by themselves.
        server.closeAllConnections();
      }),
  };
}
