/**
 * Our stream for test/bench/multicast.ts, as the commands do it but without what is not measured (scan, read back):
 * the sender, or one host. Its one argument is a `SendOrder` or `ReceiveOrder`; it prints one JSON object a line.
 */
import { createPublicKey } from "node:crypto";
import { pino } from "pino";
import { StreamControl } from "../../agent/stream/control.ts";
import { FileTarget } from "../../agent/stream/file-target.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { openImageSource } from "../../cli/stream-source.ts";
import { createHttp, listenTcp } from "../../server/http.ts";
import { openStreamHub } from "../../server/stream/hub.ts";
import { streamRoutes } from "../../server/stream/routes.ts";

export type SendOrder = {
  readonly role: "send";
  readonly path: string;
  readonly address: string;
  readonly group: string;
  readonly port: number;
  readonly rateBytesPerSecond: number;
  readonly hosts: number;
  readonly isFast: boolean;
};

export type ReceiveOrder = {
  readonly role: "receive";
  readonly server: string;
  readonly name: string;
  readonly path: string;
  readonly isFast: boolean;
};

/** From the first data on: processor time of all threads, and the most memory ever. */
export type Use = { readonly cpuSeconds: number; readonly peakBytes: number };
export type Said =
  | { readonly type: "ready" }
  | { readonly type: "started" }
  | ({ readonly type: "done"; readonly unicastPacks: number } & Use);

const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));
let before = process.cpuUsage();

function say(said: Said): void {
  console.log(JSON.stringify(said));
}

function use(): Use {
  const { user, system } = process.cpuUsage(before);
  return { cpuSeconds: (user + system) / 1e6, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

async function send(order: SendOrder): Promise<void> {
  const source = await openImageSource(order.path, { dataDir: "/nonexistent", onScan: () => undefined });
  const hub = openStreamHub({ log });
  const http = createHttp(log);
  await http.register(streamRoutes(hub));
  await listenTcp(http, order.address, order.port, "--port");
  const stream = await hub.create({
    ...source,
    group: order.group,
    port: order.port,
    interfaceAddress: order.address,
    rateBytesPerSecond: order.rateBytesPerSecond,
    waitFor: order.hosts,
    maxWaitMs: 0,
    once: true,
    withoutKoffi: !order.isFast,
    onEvent: (event) => {
      if (event.type !== "state" || event.state !== "streaming") return;
      before = process.cpuUsage();
      say({ type: "started" });
    },
  });
  say({ type: "ready" });
  await stream.ended;
  say({ type: "done", unicastPacks: 0, ...use() });
  await hub.close();
  await http.close();
  await source.close();
}

async function receive(order: ReceiveOrder): Promise<void> {
  const server = new URL(order.server);
  const control = new StreamControl({ server });
  const { streamId } = (await control.streams()).streams[0]!.description;
  const trusted = [createPublicKey(await control.key(streamId))];
  const { diskBytes } = await control.info(streamId);
  const target = new FileTarget(order.path, diskBytes);
  let hasStarted = false;
  const { unicastPacks } = await receiveStream({
    server,
    streamId,
    trusted,
    target,
    name: order.name,
    withoutKoffi: !order.isFast,
    beforeWrite: async () => {
      await target.create();
      return { isZeroed: true };
    },
    onProgress: ({ stage }) => {
      if (stage !== "receiving" || hasStarted) return;
      hasStarted = true;
      before = process.cpuUsage();
    },
    log,
  });
  say({ type: "done", unicastPacks, ...use() });
  await target.close();
  await control.close();
}

const order = JSON.parse(process.argv[2] ?? "") as SendOrder | ReceiveOrder;
await (order.role === "send" ? send(order) : receive(order));
