import BonjourService from "bonjour-service";
import type { Logger } from "pino";
import { SERVICE_TYPE } from "../contract.ts";
import type { Browse } from "./discover.ts";

/** The part of `bonjour-service` that its types hide. */
type Inside = { readonly server: { readonly mdns: NodeJS.EventEmitter } };

/**
 * Browses by multicast DNS on the interface with `address`. A socket that fails finds nothing, and ends nothing.
 *
 * @param type what is looked for; default: servers
 */
export function browseMdns(address: string, log: Logger, type: string = SERVICE_TYPE): Browse {
  return (onServer) => {
    const onError = (error: unknown) => log.warn({ err: error }, "mdns: cannot ask here");
    // `bind`: a socket that is bound to the interface's own address would not get multicast.
    const settings = { interface: address, bind: "0.0.0.0" };
    const bonjour = new BonjourService(settings as object, onError);
    (bonjour as unknown as Inside).server.mdns.on("error", onError);
    (bonjour as unknown as Inside).server.mdns.on("warning", (error) => log.debug({ err: error }, "mdns: warning"));
    const browser = bonjour.find({ type, protocol: "tcp" });
    const show = () => {
      for (const service of browser.services) {
        const ipv4 = (service.addresses ?? []).find((candidate) => candidate.includes("."));
        onServer({
          name: service.name,
          // Without an address record the sender of the answer is the server.
          address: ipv4 ?? service.referer?.address ?? "",
          port: service.port,
          txt: textRecord(service.txt),
        });
      }
    };
    for (const event of ["up", "txt-update", "srv-update"]) (browser as NodeJS.EventEmitter).on(event, show);
    return {
      // The library asks once when it is made; each later question is ours.
      query: () => browser.update(),
      stop: () => {
        browser.stop();
        bonjour.destroy();
      },
    };
  };
}

function textRecord(txt: unknown): Record<string, string> {
  if (typeof txt !== "object" || txt === null) return {};
  return Object.fromEntries(Object.entries(txt).map(([key, value]) => [key.toLowerCase(), String(value)]));
}
