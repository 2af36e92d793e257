/**
 * Somebody's office on a lab's network (test/lab/office.ts): a web server and a mail server that are told what happens,
 * and a card that hears magic packets. Its one argument is an `OfficeOrder`; it prints one JSON object a line, an
 * `OfficeSaid`.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { HookServer } from "../server/notify/hook-server.ts";
import { SmtpServer } from "../server/notify/smtp-server.ts";

/** Ports. */
export type OfficeOrder = { readonly web: number; readonly mail: number; readonly wake: number };

export type OfficeSaid =
  | { readonly type: "open" }
  | { readonly type: "call"; readonly body: string }
  | { readonly type: "mail"; readonly to: readonly string[]; readonly lines: readonly string[] }
  | { readonly type: "wake"; readonly mac: string };

const order = JSON.parse(process.argv[2]!) as OfficeOrder;
const say = (said: OfficeSaid) => process.stdout.write(`${JSON.stringify(said)}\n`);

const web = await HookServer.start({ port: order.web });
web.answer = (response, { body }) => {
  say({ type: "call", body });
  response.writeHead(204).end();
};
const mail = await SmtpServer.start(undefined, { port: order.mail });
mail.heard = ({ to, lines }) => say({ type: "mail", to, lines });
const card = createSocket("udp4");
card.on("message", (packet) => {
  const mac = packet.subarray(6, 12);
  // Six bytes of ones, and the machine's address 16 times.
  const magic = Buffer.concat([Buffer.alloc(6, 0xff), ...Array<Buffer>(16).fill(mac)]);
  if (!packet.equals(magic)) return;
  say({ type: "wake", mac: [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join(":") });
});
card.bind(order.wake);
await once(card, "listening");
say({ type: "open" });
