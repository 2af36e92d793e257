import { Type } from "typebox";
import type { BootTexts } from "../boot/boot-texts.ts";
import { macOf } from "../boot/mac.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";

export const BootScriptBody = Type.Object({ mac: Type.String(), reader: Type.String(), text: Type.String() });
export type BootScriptBody = Type.Static<typeof BootScriptBody>;

const ScriptQuery = Type.Object({
  /** Name or id of a host, or a MAC address, also one that is no host yet. */
  host: Type.String(),
  reader: Type.Union([Type.Literal("ipxe"), Type.Literal("grub")], { default: "ipxe" }),
});

/** `GET /api/v1/boot/script`: what a machine would be given now. Nothing is changed by asking. */
export function bootScriptRoutes(
  http: HttpServer,
  options: { readonly texts: BootTexts; readonly hosts: Hosts; server(): string },
): void {
  const { texts, hosts } = options;
  http.get(
    "/api/v1/boot/script",
    { config: { role: "viewer" }, schema: { querystring: ScriptQuery, response: { 200: BootScriptBody } } },
    async (request) => {
      const { host, reader } = request.query;
      const mac = macOf(host) ?? (await hosts.find(host)).mac;
      // No client has this address, so a menu's link in this text is good for nobody.
      const asker = { mac, server: options.server(), client: "command line", isShown: true };
      const { text } = await (reader === "grub" ? texts.grub(asker) : texts.script(asker));
      return { mac, reader, text };
    },
  );
}
