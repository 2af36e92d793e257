import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { ReceiverFigures, StreamFigures } from "./figures.ts";
import type { StreamHub } from "./hub.ts";

/** Prometheus' text format, version 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Metric<Of> = {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  value(of: Of): number;
};

const ofStream: readonly Metric<StreamFigures>[] = [
  {
    name: "bootcast_stream_rate_bytes_per_second",
    type: "gauge",
    help: "What goes over the wire now, all headers counted; an average of two seconds.",
    value: ({ rateBytesPerSecond }) => rateBytesPerSecond,
  },
  {
    name: "bootcast_stream_sent_bytes_total",
    type: "counter",
    help: "Bytes that were sent, all headers counted.",
    value: ({ sentBytes }) => sentBytes,
  },
  {
    name: "bootcast_stream_refused_datagrams_total",
    type: "counter",
    help: "Datagrams that the system refused to send.",
    value: ({ refused }) => refused,
  },
  {
    name: "bootcast_stream_pass",
    type: "gauge",
    help: "The pass that goes on or comes next.",
    value: ({ pass }) => pass,
  },
  {
    name: "bootcast_stream_blocks",
    type: "gauge",
    help: "Blocks of the stream.",
    value: ({ blocks }) => blocks,
  },
  {
    name: "bootcast_stream_streaming",
    type: "gauge",
    help: "1 while the stream is sent, 0 while it waits or has ended.",
    value: ({ state }) => Number(state === "streaming"),
  },
];

const ofReceiver: readonly Metric<ReceiverFigures>[] = [
  {
    name: "bootcast_stream_receiver_loss_ratio",
    type: "gauge",
    help: "Of the packets that were sent to this receiver, the share that did not arrive.",
    value: ({ lossShare }) => lossShare,
  },
  {
    name: "bootcast_stream_receiver_done_ratio",
    type: "gauge",
    help: "The share of the stream's packs that this receiver has written.",
    value: ({ packsDone, packsTotal }) => (packsTotal === 0 ? 1 : packsDone / packsTotal),
  },
  {
    name: "bootcast_stream_receiver_missing_blocks",
    type: "gauge",
    help: "Blocks that this receiver lacks, by its last map; NaN before it has said so.",
    value: ({ missing }) => missing?.reduce((sum, [, count]) => sum + count, 0) ?? Number.NaN,
  },
];

/**
 * `/metrics` of the streams that can be joined, for Prometheus.
 *
 * @param more what else the server measures, in the same format
 */
export function metricsRoute(hub: Pick<StreamHub, "list">, more: () => string = () => ""): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get("/metrics", { config: { role: "viewer" } }, async (_request, reply) =>
      reply.type(METRICS_TYPE).send(streamMetrics(hub.list().map((stream) => stream.figures())) + more()),
    );
  };
}

/** The figures as text; series of one name stand together, as the format wants it. */
export function streamMetrics(streams: readonly StreamFigures[]): string {
  const lines: string[] = [];
  for (const metric of ofStream) {
    lines.push(...head(metric));
    for (const stream of streams) lines.push(line(metric.name, labelsOf(stream), metric.value(stream)));
  }
  const states = { name: "bootcast_stream_receivers", type: "gauge", help: "Receivers in each state." } as const;
  lines.push(...head(states));
  for (const stream of streams) {
    const counts = Object.entries(Object.groupBy(stream.receivers, ({ state }) => state));
    for (const [state, receivers] of counts)
      lines.push(line(states.name, { ...labelsOf(stream), state }, receivers.length));
  }
  for (const metric of ofReceiver) {
    lines.push(...head(metric));
    for (const stream of streams) {
      for (const receiver of newestById(stream.receivers)) {
        const labels = { ...labelsOf(stream), id: receiver.id, receiver: receiver.name };
        lines.push(line(metric.name, labels, metric.value(receiver)));
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

// A host that joined twice has two entries, and a series may be there once.
function newestById(receivers: readonly ReceiverFigures[]): Iterable<ReceiverFigures> {
  return new Map(receivers.map((receiver) => [receiver.id, receiver])).values();
}

function labelsOf({ streamId, image, imageVersion }: StreamFigures): Record<string, string> {
  return { stream: streamId, image: `${image}:${imageVersion}` };
}

function head({ name, type, help }: Omit<Metric<never>, "value">): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const texts = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}{${texts.join(",")}} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
