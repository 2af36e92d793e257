/**
 * One side of dnssd.test.ts, run in a network of its own. The first argument says which:
 *
 *     advertise PORT KEY PRIORITY NAME=ADDRESS...   until a line comes on stdin, then says goodbye
 *     stream PORT ADDRESS IMAGE KEY                 the same for a single stream
 *     resolve NAME                                  prints the address that a name ending in .local has
 *     browse ADDRESS [TYPE]                         prints what bonjour-service's own browser sees, one JSON a line
 *     find ADDRESS KEY                              prints the URL that the agent would use
 *     occupy                                        takes port 5353 for itself until stdin ends
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import BonjourService from "bonjour-service";
import { pino } from "pino";
import { realClock } from "../../../agent/client/backoff.ts";
import { findServer } from "../../../agent/client/discover.ts";
import { browseMdns } from "../../../agent/client/mdns.ts";
import { resolveLocal } from "../../../agent/client/mdns-name.ts";
import { advertise, advertiseStream } from "../../../server/network/dnssd.ts";

const [mode, ...args] = process.argv.slice(2);
const log = pino({ level: "debug" }, process.stdout);

switch (mode) {
  case "advertise": {
    const [port, key, priority, ...networks] = args;
    const interfaces = networks.map((network) => {
      const [name = "", address = ""] = network.split("=");
      return { name, address };
    });
    const running = await advertise({ interfaces, port: Number(port), key: key!, priority: Number(priority), log });
    await once(process.stdin, "data");
    await running.stop();
    console.log('{"msg":"stopped"}');
    process.exit(0);
    break;
  }
  case "stream": {
    const [port, address = "", image = "", key = ""] = args;
    const running = await advertiseStream({ port: Number(port), address, image, key, log });
    await once(process.stdin, "data");
    await running.stop();
    process.exit(0);
    break;
  }
  case "resolve": {
    const { hostname } = await resolveLocal(new URL(`http://${args[0]}:7800`), log);
    console.log(JSON.stringify({ resolved: hostname }));
    process.exit(0);
    break;
  }
  case "browse": {
    const bonjour = new BonjourService({ interface: args[0], bind: "0.0.0.0" } as object);
    const browser = bonjour.find({ type: args[1] ?? "bootcast", protocol: "tcp" });
    for (const event of ["up", "down"] as const) {
      browser.on(event, ({ name, port, host, addresses, txt }) => {
        console.log(JSON.stringify({ event, name, port, host, addresses, txt }));
      });
    }
    setInterval(() => browser.update(), 200);
    break;
  }
  case "find": {
    const browse = browseMdns(args[0]!, log);
    const url = await findServer({ browse, trusted: [args[1]!], deadlineMs: 8000, clock: realClock, say() {} });
    console.log(JSON.stringify({ found: url.href }));
    process.exit(0);
    break;
  }
  case "occupy": {
    const socket = createSocket("udp4");
    socket.bind(5353, "0.0.0.0", () => console.log('{"msg":"occupied"}'));
    process.stdin.resume().once("end", () => process.exit(0));
    break;
  }
}
