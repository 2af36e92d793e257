import { Type } from "typebox";
import type { CaptureOrders, CapturePlan } from "../capture/orders.ts";
import type { HttpServer } from "../http/http.ts";
import { CapturePlanBody, CaptureRequestBody } from "./capture-schemas.ts";

/** The captures of `/api/v1`: what one would do, and the order. Like the rest of it, on the UNIX socket only. */
export function captureOrderRoutes(http: HttpServer, { captures }: { captures: CaptureOrders }): void {
  http.post(
    "/api/v1/captures/plan",
    { config: { role: "operator" }, schema: { body: CaptureRequestBody, response: { 200: CapturePlanBody } } },
    async (request) => bodyOf(await captures.plan(request.body)),
  );

  http.post(
    "/api/v1/captures",
    {
      config: { role: "operator" },
      schema: {
        body: CaptureRequestBody,
        response: { 201: Type.Object({ deployId: Type.Number(), plan: CapturePlanBody }) },
      },
    },
    async (request, reply) => {
      const { deployId, plan } = await captures.create(request.body);
      request.log.info({ deployId, image: plan.image, host: plan.host.name }, "capture ordered");
      return reply.code(201).send({ deployId, plan: bodyOf(plan) });
    },
  );
}

function bodyOf(plan: CapturePlan): CapturePlanBody {
  return { ...plan, host: { ...plan.host, disks: [...plan.host.disks] } };
}
