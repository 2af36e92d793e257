import type { FastifyPluginAsync } from "fastify";
import { type BootFileRouteOptions, bootFileRoutes } from "./file-routes.ts";
import { capitaliseHeaders } from "./header-names.ts";
import { type ScriptRouteOptions, scriptRoutes } from "./script-routes.ts";

export type BootRouteOptions = BootFileRouteOptions & ScriptRouteOptions;

/**
 * What firmware, iPXE and GRUB fetch by HTTP: texts that are made for each machine, and the files of the boot
 * directory.
 *
 * Firmware is picky: the exact Content-Length on HEAD and GET, no chunked coding, no redirect, no compression. Errors
 * are plain text with a length.
 */
export const bootRoutes: FastifyPluginAsync<BootRouteOptions> = async (app, options) => {
  app.addHook("onRequest", async (_, reply) => capitaliseHeaders(reply.raw));
  await app.register(scriptRoutes, options);
  await app.register(bootFileRoutes, options);
};
