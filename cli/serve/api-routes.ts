import type { Logger } from "pino";
import { bootTraceRoutes } from "../../server/api/boot-routes.ts";
import { bootScriptRoutes } from "../../server/api/boot-script-routes.ts";
import { captureOrderRoutes } from "../../server/api/capture-routes.ts";
import { doctorRoutes, hearingTestRoute } from "../../server/api/doctor-routes.ts";
import { enrolmentRoutes } from "../../server/api/enrolment-routes.ts";
import { hostBootRoutes } from "../../server/api/host-boot-routes.ts";
import { hostRoutes } from "../../server/api/host-routes.ts";
import { imageRoutes } from "../../server/api/image-routes.ts";
import { notifyRoutes } from "../../server/api/notify-routes.ts";
import { type ApiOptions, apiRoutes } from "../../server/api/routes.ts";
import { scheduleRoutes } from "../../server/api/schedule-routes.ts";
import { scriptRoutes } from "../../server/api/script-routes.ts";
import { doctorMetrics } from "../../server/doctor/doctor.ts";
import type { HttpServer } from "../../server/http/http.ts";
import { serverMetrics } from "../../server/leases/servers-now.ts";
import { ImageDetails } from "../../server/store/image-details.ts";
import { listedImages } from "../../server/store/image-list.ts";
import type { ImageStore } from "../../server/store/store.ts";
import { metricsRoute } from "../../server/stream/metrics.ts";

/** What the routes are about. */
type ApiParts = Omit<ApiOptions, "listImages"> &
  Parameters<typeof doctorRoutes>[1] &
  Parameters<typeof hearingTestRoute>[1] &
  Parameters<typeof bootScriptRoutes>[1] &
  Parameters<typeof captureOrderRoutes>[1] &
  Parameters<typeof scriptRoutes>[1] &
  Parameters<typeof enrolmentRoutes>[1] &
  Parameters<typeof hostBootRoutes>[1] & {
    readonly store: ImageStore;
    readonly hub: Parameters<typeof metricsRoute>[0];
    readonly membership: Parameters<typeof serverMetrics>[0];
    readonly hostParts: Parameters<typeof hostRoutes>[1];
    readonly byItself: Parameters<typeof scheduleRoutes>[1] & Parameters<typeof notifyRoutes>[1];
    readonly trace: Parameters<typeof bootTraceRoutes>[1]["trace"];
    readonly counters: Parameters<typeof bootTraceRoutes>[1]["counters"];
    readonly log: Logger;
  };

/** The API of people and programs; who may use which route is seen to by access-wiring.ts. */
export async function addApiRoutes(api: HttpServer, parts: ApiParts): Promise<void> {
  const { doctor, store, hub, membership, hostParts, byItself, log } = parts;
  doctorRoutes(api, parts);
  hearingTestRoute(api, parts);
  imageRoutes(api, { details: new ImageDetails(store) });
  await api.register(metricsRoute(hub, () => doctorMetrics(doctor.last) + serverMetrics(membership)));
  bootScriptRoutes(api, parts);
  captureOrderRoutes(api, parts);
  scriptRoutes(api, parts);
  hostRoutes(api, hostParts);
  enrolmentRoutes(api, parts);
  scheduleRoutes(api, byItself);
  notifyRoutes(api, byItself);
  hostBootRoutes(api, parts);
  apiRoutes(api, {
    ...parts,
    listImages: () =>
      listedImages(store, ({ name, version, fault }) =>
        log.warn({ image: `${name}:${version}`, fault }, "an image is damaged and not listed"),
      ),
  });
  bootTraceRoutes(api, parts);
}
