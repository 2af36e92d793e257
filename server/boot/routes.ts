import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { BootPolicy } from "../../bsdp/policy.ts";
import { scriptEntry } from "../boot-trace-files.ts";
import { refuse, sendText } from "./answer.ts";
import { type BootFileRouteOptions, bootFileRoutes } from "./file-routes.ts";
import { checkedKernelArgs, renderScript } from "./script.ts";

export type BootRouteOptions = BootFileRouteOptions & {
  policyOf(mac: string): Promise<BootPolicy>;
  readonly kernelArgs: string;
  /** Put the server's address on the kernel's command line. */
  readonly passServer: boolean;
};

/**
 * What firmware and iPXE fetch by HTTP:
 *
 *     GET, HEAD /boot/script.ipxe?mac=52:54:00:12:34:56   what this machine boots now
 *     GET, HEAD /boot/<file>                              a file of the boot directory
 *
 * Firmware is picky: the exact Content-Length on HEAD and GET, no chunked coding, no redirect, no compression. Errors
 * are plain text with a length.
 *
 * @throws {Fault} KERNEL_ARGS_INVALID at registration
 */
export const bootRoutes: FastifyPluginAsync<BootRouteOptions> = async (app, options) => {
  checkedKernelArgs(options.kernelArgs);

  app.route<{ Querystring: Record<string, unknown> }>({
    method: ["GET", "HEAD"],
    url: "/boot/script.ipxe",
    async handler(request, reply) {
      const mac = macOf(request.query["mac"]);
      if (mac === undefined) return refuse(reply, 400, 'Add the machine\'s address: "?mac=52:54:00:12:34:56".');
      const policy = await options.policyOf(mac);
      const script = renderScript({
        mac,
        policy,
        server: serverOf(request),
        kernelArgs: options.kernelArgs,
        passServer: options.passServer,
      });
      options.log.info({ client: request.ip, mac, boot: policy.boot }, "boot: script");
      if (request.method === "GET") options.trace?.note(scriptEntry(policy, { mac, client: request.ip, kind: "iPXE" }));
      // The answer changes with the next order: nobody may keep it.
      reply.header("cache-control", "no-store").type("text/plain; charset=utf-8");
      return sendText(reply, script);
    },
  });

  await app.register(bootFileRoutes, options);
};

/** "52:54:00:12:34:56" from any usual spelling of a hardware address. */
function macOf(text: unknown): string | undefined {
  if (typeof text !== "string") return undefined;
  const digits = /^[0-9a-f]{12}$/i.test(text)
    ? text
    : /^[0-9a-f]{2}(([:-])[0-9a-f]{2})(\2[0-9a-f]{2}){4}$/i.test(text)
      ? text.replace(/[:-]/g, "")
      : "";
  if (digits === "") return undefined;
  return digits.toLowerCase().match(/../g)!.join(":");
}

/**
 * How the client reaches us: the Host it asked, because our own address may not be the one it sees (a forwarded port).
 * A Host that is no plain name or address with a port is not copied into a script.
 */
function serverOf(request: FastifyRequest): string {
  const { host } = request.headers;
  if (host !== undefined && /^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?$/.test(host))
    return `http://${host}`;
  const { localAddress = "127.0.0.1", localPort = 80 } = request.raw.socket;
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, "");
  return `http://${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}
