import { Type } from "typebox";
import type { HttpServer } from "../http/http.ts";
import type { ImageDetails } from "../store/image-details.ts";
import { Nullable } from "./schemas.ts";

const OneVersion = Type.Object({ image: Type.String(), version: Type.Integer({ minimum: 1 }) });

export const ImageDetailBody = Type.Object({
  /** SHA-256 of its signed manifest, hex. */
  manifestDigest: Type.String(),
  /** The version before it, and the stored bytes that this one has and that one has not; null: it is the first. */
  before: Nullable(Type.Object({ version: Type.Number(), newBytes: Type.Number() })),
});
export type ImageDetailBody = Type.Static<typeof ImageDetailBody>;

/** `GET /api/v1/images/:image/:version`: what is worked out of the whole manifest. */
export function imageRoutes(http: HttpServer, { details }: { readonly details: Pick<ImageDetails, "of"> }): void {
  http.get(
    "/api/v1/images/:image/:version",
    {
      config: { role: "viewer" },
      schema: {
        summary: "The hash of one image version, and what it adds to the one before",
        params: OneVersion,
        response: { 200: ImageDetailBody },
      },
    },
    async ({ params }) => details.of(params.image, params.version),
  );
}
