import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createHttp } from "../../../server/http/http.ts";
import type { StreamFigures } from "../../../server/stream/figures.ts";
import { metricsRoute, streamMetrics } from "../../../server/stream/metrics.ts";
import { openSite, silentLog } from "../../agent/stream/local-stream.ts";

const receiver = {
  id: "h-1",
  name: "lab-01",
  state: "receiving",
  why: "",
  lossShare: 0.25,
  packsDone: 1,
  packsTotal: 4,
} as const;
const figures: StreamFigures = {
  streamId: "00112233445566aa",
  image: "golden",
  imageVersion: 3,
  state: "streaming",
  waitingFor: "",
  rateBytesPerSecond: 12_000_000,
  mode: "normal",
  mostBytesPerSecond: 12_000_000,
  rateWhy: "",
  sentBytes: 1514,
  refused: 0,
  pass: 2,
  blocks: 10,
  receivers: [
    {
      ...receiver,
      missing: [
        [2, 3],
        [7, 1],
      ],
    },
    { ...receiver, id: "h-2", name: "lab-02", state: "done", lossShare: 0, packsDone: 4, missing: [] },
    { ...receiver, id: "h-3", name: "lab-03", missing: null },
  ],
};

test("the figures as Prometheus reads them", () => {
  const stream = 'stream="00112233445566aa",image="golden:3"';
  const lines = streamMetrics([figures]).split("\n");
  for (const wanted of [
    "# TYPE bootcast_stream_rate_bytes_per_second gauge",
    `bootcast_stream_rate_bytes_per_second{${stream}} 12000000`,
    "# TYPE bootcast_stream_sent_bytes_total counter",
    `bootcast_stream_sent_bytes_total{${stream}} 1514`,
    `bootcast_stream_pass{${stream}} 2`,
    `bootcast_stream_streaming{${stream}} 1`,
    `bootcast_stream_receivers{${stream},state="receiving"} 2`,
    `bootcast_stream_receivers{${stream},state="done"} 1`,
    `bootcast_stream_receiver_loss_ratio{${stream},id="h-1",receiver="lab-01"} 0.25`,
    `bootcast_stream_receiver_done_ratio{${stream},id="h-2",receiver="lab-02"} 1`,
    `bootcast_stream_receiver_missing_blocks{${stream},id="h-1",receiver="lab-01"} 4`,
    `bootcast_stream_receiver_missing_blocks{${stream},id="h-3",receiver="lab-03"} NaN`,
  ])
    assert(lines.includes(wanted), wanted);
});

test("two machines of one name are two series, one that joined again is one", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 10 });
    const ids = ["pc", "pc"].map((name) => stream.join(name, undefined).receiverId);
    stream.join("lab-01", "h-1");
    stream.join("lab-01", "h-1");
    stream.join("lab-01", "h-2");
    const text = streamMetrics([stream.figures()]);
    const count = (name: string) => text.match(new RegExp(`_done_ratio\\{.*receiver="${name}"`, "g"))?.length;
    assert.deepEqual([count("pc"), count("lab-01")], [2, 2]);
    // Requests are signed with what begins a receiver's id.
    for (const id of ids) assert(!text.includes(id.slice(0, 8)));
  } finally {
    await site.close();
  }
});

test("any name gives lines of the format, every series once and every metric together", () => {
  const names = fc.array(fc.string({ maxLength: 8, unit: "binary" }), { maxLength: 5 });
  fc.assert(
    fc.property(names, (given) => {
      const receivers = given.map((name) => ({ ...receiver, id: name, name, missing: null }));
      const text = streamMetrics([
        { ...figures, receivers },
        { ...figures, streamId: "b", receivers },
      ]);
      const series = new Set<string>();
      const ended = new Set<string>();
      let open = "";
      for (const line of text.trimEnd().split("\n")) {
        const name = /^# TYPE ([a-z_]+) (?:gauge|counter)$/.exec(line)?.[1];
        if (name !== undefined) {
          ended.add(open);
          open = name;
          assert(!ended.has(name));
        }
        if (line.startsWith("#")) continue;
        const match = /^([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (?:NaN|[-\d.e+]+)$/.exec(line);
        assert(match !== null, line);
        assert.equal(match[1], open);
        assert(!series.has(`${match[1]}${match[2]}`), "twice");
        series.add(`${match[1]}${match[2]}`);
      }
    }),
  );
});

test("/metrics of a running stream, beside its control connection", async () => {
  const site = await openSite();
  const app = createHttp(silentLog);
  try {
    await app.register(metricsRoute(site.hub));
    const stream = await site.open({ waitFor: 2 });
    const { receiverId } = stream.join("pc-1", undefined);
    const counts = { packsDone: 1, packsTotal: 3, symbolsReceived: 3, symbolsLost: 1 };
    stream.report(receiverId, { state: "ready", ...counts, missing: [[0, 2]] });
    const answer = await app.inject("/metrics");
    assert.equal(answer.statusCode, 200);
    assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    assert.match(answer.payload, /bootcast_stream_receiver_missing_blocks\{.*receiver="pc-1"\} 2\n/);
    assert.match(answer.payload, /bootcast_stream_receiver_loss_ratio\{.*receiver="pc-1"\} 0.25\n/);
    assert.deepEqual(stream.figures().receivers[0]?.missing, [[0, 2]]);
  } finally {
    await app.close();
    await site.close();
  }
});
