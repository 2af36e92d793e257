import { Type } from "typebox";
import type { Tokens } from "../access/tokens.ts";
import type { Users } from "../access/users.ts";
import type { HttpServer } from "../http/http.ts";
import {
  LinkBody,
  MadeTokenBody,
  NewTokenBody,
  NewUserBody,
  PasswordBody,
  TokenBody,
  UserBody,
  UserChangeBody,
} from "./access-schemas.ts";

type UserRouteOptions = {
  readonly users: Users;
  readonly tokens: Tokens;
  /** Where people and programs reach the server ("https://…"), and what they pin. */
  reachedAt(): { readonly servers: readonly string[]; readonly fingerprint: string };
};

const OneUser = Type.Object({ user: Type.String({ minLength: 1, maxLength: 64 }) });
const OneToken = Type.Object({ token: Type.String({ minLength: 1, maxLength: 64 }) });
const admin = { config: { role: "admin" as const } };
const secret = { config: { ...admin.config, isSecret: true } };

/** Who may do what: `/api/v1/users` and `/api/v1/tokens`, for admins only. */
export function userRoutes(http: HttpServer, { users, tokens, reachedAt }: UserRouteOptions): void {
  http.get(
    "/api/v1/users",
    { ...admin, schema: { response: { 200: Type.Object({ users: Type.Array(UserBody) }) } } },
    async () => ({ users: await users.list() }),
  );

  http.post(
    "/api/v1/users",
    { ...admin, schema: { body: NewUserBody, response: { 201: UserBody } } },
    async ({ body }, reply) => reply.code(201).send(await users.add(body.name, body.role)),
  );

  http.patch(
    "/api/v1/users/:user",
    { ...admin, schema: { params: OneUser, body: UserChangeBody, response: { 200: UserBody } } },
    async ({ params, body }) => users.setRole(params.user, body.role),
  );

  http.delete(
    "/api/v1/users/:user",
    { ...admin, schema: { params: OneUser, response: { 200: UserBody } } },
    async ({ params }) => users.remove(params.user),
  );

  http.put(
    "/api/v1/users/:user/password",
    {
      config: { ...admin.config, hasPassword: true },
      schema: { params: OneUser, body: PasswordBody, response: { 200: UserBody } },
    },
    async ({ params, body }) => users.setPassword(params.user, body.password),
  );

  http.post(
    "/api/v1/users/:user/link",
    { ...secret, schema: { params: OneUser, response: { 201: LinkBody } } },
    async ({ params }, reply) => {
      const { user, code } = await users.makeLink(params.user);
      const { servers, fingerprint } = reachedAt();
      const links = servers.map((server) => `${server}/setup?once=${code}`);
      return reply.code(201).send({ user: user.name, code, links, fingerprint });
    },
  );

  http.get(
    "/api/v1/tokens",
    { ...admin, schema: { response: { 200: Type.Object({ tokens: Type.Array(TokenBody) }) } } },
    async () => ({ tokens: await tokens.list() }),
  );

  http.post(
    "/api/v1/tokens",
    { ...secret, schema: { body: NewTokenBody, response: { 201: MadeTokenBody } } },
    async ({ body, caller }, reply) => {
      const { token, secret } = await tokens.add({ ...body, madeBy: caller?.name ?? "the server" });
      const { servers, fingerprint } = reachedAt();
      return reply.code(201).send({ token, secret, servers: [...servers], fingerprint });
    },
  );

  http.delete(
    "/api/v1/tokens/:token",
    { ...admin, schema: { params: OneToken, response: { 200: Type.Object({}) } } },
    async ({ params }) => {
      await tokens.remove(params.token);
      return {};
    },
  );
}
