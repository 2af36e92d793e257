/**
 * One host for test/bench/multicast.ts, as the agent does it but without what is not measured: the reading back. It is
 * bundled as the agent is. Its one argument is a `ReceiveOrder`; it prints one JSON object a line.
 */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { pino } from "pino";
import type { StreamInfo } from "../../agent/contract.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { FileTarget } from "../../agent/stream/file-target.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { Meter, say } from "./multicast-said.ts";

export type ReceiveOrder = {
  readonly server: string;
  readonly name: string;
  readonly path: string;
  readonly isFast: boolean;
  /** Takes the stream of this group; the first one unless told. */
  readonly group?: string;
};

const meter = new Meter();
const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));

async function receive(order: ReceiveOrder): Promise<void> {
  const server = new URL(order.server);
  const control = new StreamControl({ server });
  const { streams } = await control.streams();
  const isMine = ({ description }: StreamInfo) => order.group === undefined || description.group === order.group;
  const { streamId } = streams.find(isMine)!.description;
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
      await target.create({ found: undefined });
      return { isZeroed: true };
    },
    onProgress: ({ stage }) => {
      if (stage !== "receiving" || hasStarted) return;
      hasStarted = true;
      meter.start();
    },
    log,
  });
  say({ type: "done", unicastPacks, overflows: overflows(), ...meter.use() });
  await target.close();
  await control.close();
}

/** Of all sockets in this host's network. */
function overflows(): number {
  const [names = "", values = ""] = readFileSync("/proc/net/snmp", "latin1").match(/^Udp:.*$/gm) ?? [];
  return Number(values.split(" ")[names.split(" ").indexOf("RcvbufErrors")]);
}

void receive(JSON.parse(process.argv[2] ?? "") as ReceiveOrder);
