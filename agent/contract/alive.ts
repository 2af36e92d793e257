import { type Static, Type } from "typebox";

/**
 * What the restored system needs to say, once, that it is up: a small job of its first start calls `url` with the
 * token. Both are written to its disk, so the server signs them (`aliveText`).
 */
export const OrderAlive = Type.Object({
  /** Only what no shell and no property list reads as anything but itself. */
  url: Type.String({ maxLength: 200, pattern: "^http://[0-9A-Za-z.:-]+/agent/v1/hosts/[0-9a-z-]+/alive$" }),
  /** 32 bytes, base64url. */
  token: Type.String({ pattern: "^[0-9A-Za-z_-]{43}$" }),
  permit: Type.String(),
});
export type OrderAlive = Static<typeof OrderAlive>;

/** The body of that call: what the system calls itself. */
export const Alive = Type.Object({ name: Type.String({ maxLength: 255 }) });
export type Alive = Static<typeof Alive>;

/** `isNamed`: under the name it was to have. When not, the answer's status is 409, and the job tries again. */
export const AliveAnswer = Type.Object({ isNamed: Type.Boolean() });
export type AliveAnswer = Static<typeof AliveAnswer>;

export const ALIVE_PERMIT = "bootcast alive permit 1\n";

/** What a server signs so that a host writes url and token to its disk: for one machine and one order. */
export function aliveText(about: {
  readonly mac: string;
  readonly deployId: string;
  readonly url: string;
  readonly token: string;
}): string {
  return `${ALIVE_PERMIT}${JSON.stringify([about.mac, about.deployId, about.url, about.token])}`;
}
