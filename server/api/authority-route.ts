import { Type } from "typebox";
import type { HttpServer } from "../http/http.ts";
import type { Authority } from "../tls/authority.ts";

/** `GET /api/v1/authority.pem`: the site's certificate authority, for browsers that are to trust it. */
export function authorityRoute(http: HttpServer, authority: Pick<Authority, "pem">): void {
  http.get(
    "/api/v1/authority.pem",
    { config: { role: "anyone" }, schema: { response: { 200: Type.String() } } },
    async (_, reply) =>
      reply
        .type("application/x-x509-ca-cert")
        .header("content-disposition", 'attachment; filename="bootcast-authority.pem"')
        .send(authority.pem),
  );
}
