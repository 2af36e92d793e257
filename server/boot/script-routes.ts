import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { BootTrace } from "../boot-trace/boot-trace.ts";
import { scriptEntry } from "../boot-trace/files.ts";
import { refuse, sendText } from "./answer.ts";
import type { BootTexts, TextAsker } from "./boot-texts.ts";
import { digestChallenge } from "./digest.ts";
import { macOf } from "./mac.ts";

export type ScriptRouteOptions = {
  readonly texts: BootTexts;
  readonly log: Logger;
  /** Is told of every request. */
  readonly trace?: BootTrace;
};

type Asked = { Querystring: Record<string, unknown> };

/**
 * The texts that are made for each machine, by HTTP:
 *
 *     GET, HEAD /boot/script.ipxe?mac=…   iPXE: what this machine boots now
 *     GET, HEAD /boot/grub.cfg?mac=…      GRUB: the same
 *     GET, HEAD /boot/boot.ipxe           iPXE, for every machine: goes on to its script
 *     GET, HEAD /grub/grub.cfg            GRUB, for every machine: goes on to its configuration
 *     GET       /boot/order.ipxe?mac=…    iPXE: what a person chose in the menu, with the PIN
 */
export const scriptRoutes: FastifyPluginAsync<ScriptRouteOptions> = async (app, { texts, log, trace }) => {
  function told(request: FastifyRequest, { mac, client }: TextAsker, kind: string, policy: BootPolicy): void {
    if (request.method !== "GET") return;
    log.info({ client, mac, boot: policy.boot, for: kind }, "boot: script");
    trace?.note(scriptEntry(policy, { mac, client, kind }));
  }

  for (const kind of ["script", "grub"] as const) {
    app.route<Asked>({
      method: ["GET", "HEAD"],
      url: kind === "script" ? "/boot/script.ipxe" : "/boot/grub.cfg",
      async handler(request, reply) {
        const asker = askerOf(request);
        if (asker === undefined) return withoutMac(reply);
        const { text, policy } = await texts[kind](asker);
        told(request, asker, kind === "script" ? "iPXE" : "GRUB", policy);
        return sendScript(reply, text);
      },
    });
  }

  for (const [url, make] of [
    ["/boot/boot.ipxe", texts.entryScript],
    ["/boot/autoexec.ipxe", texts.entryScript],
    ["/grub/grub.cfg", texts.grubStart],
    ["//grub/grub.cfg", texts.grubStart],
  ] as const) {
    app.route({
      method: ["GET", "HEAD"],
      url,
      handler: async (request, reply) => sendScript(reply, make(serverOf(request))),
    });
  }

  app.route<Asked>({
    method: "GET",
    // A HEAD would use up the person's ticket.
    exposeHeadRoute: false,
    url: "/boot/order.ipxe",
    async handler(request, reply) {
      const asker = askerOf(request);
      if (asker === undefined) return withoutMac(reply);
      const { ticket, order, uuid } = request.query;
      const answer = await texts.order(asker, {
        ticket: typeof ticket === "string" ? ticket : "",
        order: typeof order === "string" && /^\d$/.test(order) ? Number(order) : -1,
        uuid: typeof uuid === "string" ? uuid.toLowerCase() : "",
        method: request.method,
        uri: request.url,
        authorization: request.headers.authorization,
      });
      if ("text" in answer) {
        told(request, asker, "iPXE", answer.policy);
        return sendScript(reply, answer.text);
      }
      reply.header("www-authenticate", digestChallenge(answer.nonce));
      return refuse(reply, 401, "The menu's PIN is needed.");
    },
  });
};

function sendScript(reply: FastifyReply, text: string): FastifyReply {
  // The answer changes with the next order: nobody may keep it.
  reply.header("cache-control", "no-store").type("text/plain; charset=utf-8");
  return sendText(reply, text);
}

function withoutMac(reply: FastifyReply): FastifyReply {
  return refuse(reply, 400, 'Add the machine\'s address: "?mac=52:54:00:12:34:56".');
}

function askerOf(request: FastifyRequest<Asked>): TextAsker | undefined {
  const mac = macOf(request.query["mac"]);
  return mac === undefined ? undefined : { mac, server: serverOf(request), client: request.ip };
}

/**
 * How the client reaches us: the Host it asked, because our own address may not be the one it sees (a forwarded port).
 * A Host that is no plain name or address with a port is not copied into a script. GRUB (2.12) leaves the port out.
 */
function serverOf(request: FastifyRequest): string {
  const { host, "user-agent": program } = request.headers;
  const { localAddress = "127.0.0.1", localPort = 80 } = request.raw.socket;
  const [isPlain, , port] = /^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?$/.exec(host ?? "") ?? [];
  if (isPlain !== undefined) {
    const isWithoutPort = port === undefined && program?.startsWith("GRUB") === true;
    return `http://${host}${isWithoutPort ? `:${localPort}` : ""}`;
  }
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, "");
  return `http://${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}
