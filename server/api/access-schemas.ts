import { Type } from "typebox";
import { roles } from "../access/roles.ts";
import { LATEST_MS } from "./schemas.ts";

const Role = Type.Unsafe<(typeof roles)[number]>({ type: "string", enum: [...roles] });
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
/** Longer than any that is allowed, so that the reason is told by the rule. */
const Password = Type.String({ minLength: 1, maxLength: 1024 });
const Name = Type.String({ minLength: 1, maxLength: 64 });

export const UserBody = Type.Object({
  name: Type.String(),
  role: Role,
  hasPassword: Type.Boolean(),
  hasLink: Type.Boolean(),
  createdAtMs: Type.Number(),
});
export const NewUserBody = Type.Object({ name: Name, role: Role }, { additionalProperties: false });
export const UserChangeBody = Type.Object({ role: Role }, { additionalProperties: false });
export const PasswordBody = Type.Object({ password: Password }, { additionalProperties: false });
export const LinkBody = Type.Object({
  user: Type.String(),
  /** What is typed or sent along with the first password. */
  code: Type.String(),
  /** The page that asks for it, at each address of the server. */
  links: Type.Array(Type.String()),
  /** SHA-256 of the site's certificate authority, which browsers show. */
  fingerprint: Type.String(),
});

export const TokenBody = Type.Object({
  name: Type.String(),
  role: Role,
  madeBy: Type.String(),
  createdAtMs: Type.Number(),
  expiresAtMs: Nullable(Type.Number()),
  usedAtMs: Nullable(Type.Number()),
});
export const NewTokenBody = Type.Object(
  { name: Name, role: Role, expiresAtMs: Nullable(Type.Integer({ minimum: 0, maximum: LATEST_MS })) },
  { additionalProperties: false },
);
export const MadeTokenBody = Type.Object({
  token: TokenBody,
  /** The token itself; it is not shown again. */
  secret: Type.String(),
  /** Where it can be used, and what is pinned there. */
  servers: Type.Array(Type.String()),
  fingerprint: Type.String(),
});

export const LoginRequestBody = Type.Object({ user: Name, password: Password }, { additionalProperties: false });
export const SetupRequestBody = Type.Object(
  { code: Type.String({ minLength: 1, maxLength: 64 }), password: Password },
  { additionalProperties: false },
);
/** Who asks. */
export const MeBody = Type.Object({
  name: Type.String(),
  kind: Type.Unsafe<"local" | "user" | "token">({ type: "string", enum: ["local", "user", "token"] }),
  role: Role,
  /** Sent back as x-bootcast-csrf with every change; null for tokens and on the server itself. */
  csrf: Nullable(Type.String()),
});

export type UserBody = Type.Static<typeof UserBody>;
export type LinkBody = Type.Static<typeof LinkBody>;
export type TokenBody = Type.Static<typeof TokenBody>;
export type MadeTokenBody = Type.Static<typeof MadeTokenBody>;
export type MeBody = Type.Static<typeof MeBody>;
