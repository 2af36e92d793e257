import { createHash } from "node:crypto";
import { Fault } from "../../fault.ts";
import type { Hosts } from "./hosts.ts";

/** What is kept of a token. */
export function hashOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Lets only requests pass that carry the token of the host in their path (`:hostId`). */
export function ofOneHost(hosts: Pick<Hosts, "isToken">) {
  return {
    async preHandler(request: { params: unknown; headers: { authorization?: string | undefined } }): Promise<void> {
      const { hostId } = request.params as { hostId: string };
      await checkToken(hosts, hostId, request.headers.authorization);
    },
  };
}

/** @throws {Fault} TOKEN_WRONG unless `authorization` carries the host's token */
export async function checkToken(
  hosts: Pick<Hosts, "isToken">,
  hostId: string,
  authorization: string | undefined,
): Promise<void> {
  if (await carriesToken(hosts, hostId, authorization)) return;
  throw new Fault("TOKEN_WRONG", {
    what: "The server does not know this host, or it has registered again since.",
    why: "The token of this request is not the last one that the host was given.",
    fix: "The agent registers again by itself. If this repeats, two machines may use the same MAC address.",
  });
}

/** Whether `authorization` carries the host's token. */
export async function carriesToken(
  hosts: Pick<Hosts, "isToken">,
  hostId: string,
  authorization: string | undefined,
): Promise<boolean> {
  const [, token] = /^Bearer (\S+)$/.exec(authorization ?? "") ?? [];
  return token !== undefined && (await hosts.isToken(hostId, token));
}
