import { createHash } from "node:crypto";
import { Fault } from "../../fault.ts";

/** What is kept of a token. */
export function hashOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Who knows whether a token is that of a host. */
type TokenBook = { isToken(hostId: string, token: string): Promise<boolean> };

/** Lets only requests pass that carry the token of the host in their path (`:hostId`). */
export function ofOneHost(hosts: TokenBook) {
  return {
    async preHandler(request: { params: unknown; headers: { authorization?: string | undefined } }): Promise<void> {
      const { hostId } = request.params as { hostId: string };
      await checkToken(hosts, hostId, request.headers.authorization);
    },
  };
}

/** @throws {Fault} TOKEN_WRONG unless `authorization` carries the host's token */
export async function checkToken(hosts: TokenBook, hostId: string, authorization: string | undefined): Promise<void> {
  if (await carriesToken(hosts, hostId, authorization)) return;
  throw new Fault("TOKEN_WRONG", {
    what: "The server does not know this host, or it has registered again since.",
    why: "The token of this request is not the last one that the host was given.",
    fix: "The agent registers again by itself. If this repeats, two machines may use the same MAC address.",
  });
}

/** Whether `authorization` carries the host's token. */
export async function carriesToken(
  hosts: TokenBook,
  hostId: string,
  authorization: string | undefined,
): Promise<boolean> {
  const [, token] = /^Bearer (\S+)$/.exec(authorization ?? "") ?? [];
  return token !== undefined && (await hosts.isToken(hostId, token));
}
