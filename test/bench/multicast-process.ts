/**
 * The sender of our stream for test/bench/multicast.ts, as the command does it but without what is not measured: the
 * scan. Its one argument is a `SendOrder`; it prints one JSON object a line. `multicast-host.ts` is a host.
 */
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { keepHeapSmall } from "../../cli/stream/small-heap.ts";
import { openImageSource } from "../../cli/stream/source.ts";
import type { RateMode } from "../../multicast/rate-control.ts";
import { createHttp, listenTcp } from "../../server/http/http.ts";
import { openStreamHub } from "../../server/stream/hub.ts";
import { symbolBytesFor } from "../../server/stream/jumbo.ts";
import { streamRoutes } from "../../server/stream/routes.ts";
import { Meter, say } from "./multicast-said.ts";
import type { SourceOrder } from "./multicast-source.ts";

export type SendOrder = SourceOrder & {
  readonly address: string;
  readonly port: number;
  readonly rateBytesPerSecond: number;
  readonly isFast: boolean;
  /** "fixed" unless told. */
  readonly mode?: RateMode;
  /** What all streams send together; no limit unless told. */
  readonly budgetBytesPerSecond?: number;
  /** Each sends the file; loops unless it is the only thing wanted. */
  readonly streams: readonly {
    readonly group: string;
    readonly waitFor: number;
    /** Goes on under this id. */
    readonly streamId?: string;
    readonly isLooping?: boolean;
  }[];
};

const meter = new Meter();
const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));

async function send(order: SendOrder): Promise<void> {
  keepHeapSmall();
  const { path, dataDir = "/nonexistent", storeKey } = order;
  const source = await openImageSource(path, { dataDir, storeKey, onScan: () => undefined });
  const { budgetBytesPerSecond, mode, rateBytesPerSecond } = order;
  const hub = openStreamHub({ log, ...(budgetBytesPerSecond === undefined ? {} : { budgetBytesPerSecond }) });
  const http = createHttp(log);
  await http.register(streamRoutes(hub));
  await listenTcp(http, order.address, order.port, "--port");
  const symbolBytes = await symbolBytesFor("auto", { interfaceAddress: order.address, rateBytesPerSecond });
  const streams = order.streams.map(({ group, waitFor, streamId, isLooping }) =>
    hub.create({
      ...source,
      ...(streamId === undefined ? {} : { streamId }),
      ...(mode === undefined ? {} : { mode }),
      ...(order.isEncrypted === true ? { encrypt: { secret: randomBytes(32) } } : {}),
      group,
      port: order.port,
      interfaceAddress: order.address,
      rateBytesPerSecond,
      symbolBytes,
      waitFor,
      maxWaitMs: 0,
      once: isLooping !== true,
      withoutKoffi: !order.isFast,
      onEvent: (event) => {
        if (event.type !== "state" || event.state !== "streaming") return;
        meter.start();
        say({ type: "started" });
      },
    }),
  );
  const running = await Promise.all(streams);
  say({ type: "ready" });
  await Promise.all(running.map(({ ended }) => ended));
  say({ type: "done", unicastPacks: 0, overflows: 0, ...meter.use() });
  await hub.close();
  await http.close();
  await source.close();
}

await send(JSON.parse(process.argv[2] ?? "") as SendOrder);
