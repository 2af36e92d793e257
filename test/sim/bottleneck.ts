import { DelayMeter } from "../../multicast/delay-meter.ts";
import { RateControl, type RateMode } from "../../multicast/rate-control.ts";
import { reportIntervalMs } from "../../multicast/report-interval.ts";
import { randomOf } from "../multicast/streams.ts";

/** A stream and a greedy TCP flow through one queue, millisecond by millisecond; everything follows from the seed. */
export type BottleneckPlan = {
  readonly seed: number;
  readonly mode: RateMode;
  /** What the stream may send at most, and what the link carries; bytes per second. */
  readonly ceiling: number;
  readonly link: number;
  /** The queue before the link; what does not fit is lost. */
  readonly queueBytes: number;
  readonly hosts: number;
  /** Share of the datagrams that each host loses by itself; by default none. */
  readonly loss?: (host: number) => number;
  /** The clock of each host goes so much faster than the sender's. */
  readonly drift?: (host: number) => number;
  readonly forMs: number;
  /** A TCP flow that takes what it gets, at those times. `mostQueuedBytes`: a system keeps less of it in its own queue. */
  readonly tcp?: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly mostQueuedBytes?: number;
    /** It sends no more than this, and needs no queue. */
    readonly most?: number;
    /** It leaves the same card as the stream, whose counter tells. */
    readonly isOfServer?: boolean;
  };
};

export type BottleneckResult = {
  /** Mean of what got through between two times, bytes per second. */
  stream(fromMs: number, toMs: number): number;
  tcp(fromMs: number, toMs: number): number;
  /** Of the queueing delay between two times, the share `percent`. */
  delayMs(percent: number, fromMs: number, toMs: number): number;
  readonly mostRate: number;
  readonly leastRate: number;
};

const DATAGRAM_BYTES = 1514;
const SEGMENT_BYTES = 1514;
const LOOK_MS = 4;
const BASE_DELAY_MS = 0.2;

export function simulateBottleneck(plan: BottleneckPlan): BottleneckResult {
  const random = randomOf(plan.seed);
  const control = new RateControl({ mode: plan.mode, ceilingBytesPerSecond: plan.ceiling, now: 0 });
  const linkPerMs = plan.link / 1_000;
  const reportEveryMs = reportIntervalMs(plan.mode, plan.hosts);
  const hosts = Array.from({ length: plan.hosts }, (_, number) => ({
    meter: new DelayMeter(),
    loss: plan.loss?.(number) ?? 0,
    clock: 1 + (plan.drift?.(number) ?? 0),
    lookOffset: random() * LOOK_MS,
    reportAt: Math.floor(random() * reportEveryMs),
    received: 0,
    lost: 0,
  }));
  let tcpWindow = 10 * SEGMENT_BYTES;
  let tcpQueued = 0;
  let tcpFellAt = -1_000;
  let queued = 0;
  let owed = 0;
  const streamMs = new Float64Array(plan.forMs);
  const tcpMs = new Float64Array(plan.forMs);
  const delays = new Float64Array(plan.forMs);
  let mostRate = 0;
  let leastRate = Number.POSITIVE_INFINITY;
  for (let now = 0; now < plan.forMs; now += 1) {
    const rate = control.rateBytesPerSecond;
    mostRate = Math.max(mostRate, rate);
    leastRate = Math.min(leastRate, rate);
    // A window's worth waits in the queue: on a LAN nothing to speak of is on the way.
    const isTcpOn = plan.tcp !== undefined && now >= plan.tcp.fromMs && now < plan.tcp.toMs;
    const window = isTcpOn ? Math.min(tcpWindow, plan.tcp.mostQueuedBytes ?? tcpWindow) - tcpQueued : 0;
    const tcpWants = Math.min(window, (plan.tcp?.most ?? Number.POSITIVE_INFINITY) / 1_000);
    owed += (rate / 1_000) * 0.98;
    const datagrams = Math.floor(owed / DATAGRAM_BYTES);
    owed -= datagrams * DATAGRAM_BYTES;
    const room = Math.max(0, plan.queueBytes + linkPerMs - queued);
    const arriving = datagrams * DATAGRAM_BYTES + Math.max(0, tcpWants);
    const share = arriving > room ? room / arriving : 1;
    let got = 0;
    for (let at = 0; at < datagrams; at += 1) if (random() < share) got += 1;
    const tcpGot = Math.max(0, tcpWants) * share;
    if (tcpWants > 0 && share < 1 && now > tcpFellAt + 20) {
      tcpWindow = Math.max(2 * SEGMENT_BYTES, tcpWindow * 0.7);
      tcpFellAt = now;
    } else if (isTcpOn) {
      // Of each window's acknowledgements one segment, a bit faster than Reno: as CUBIC on a short way.
      const roundTripMs = Math.max(1, queued / linkPerMs);
      tcpWindow += (4 * SEGMENT_BYTES) / roundTripMs;
    }
    const delayMs = BASE_DELAY_MS + queued / linkPerMs;
    delays[now] = delayMs - BASE_DELAY_MS;
    queued += got * DATAGRAM_BYTES + tcpGot;
    tcpQueued += tcpGot;
    const leaves = Math.min(queued, linkPerMs);
    const tcpLeaves = queued === 0 ? 0 : (leaves * tcpQueued) / queued;
    queued -= leaves;
    tcpQueued -= tcpLeaves;
    tcpMs[now] = tcpLeaves;
    streamMs[now] = leaves - tcpLeaves;
    for (const host of hosts) {
      for (let at = 0; at < datagrams; at += 1) {
        if (at >= got || random() < host.loss) host.lost += 1;
        else host.received += 1;
      }
      if (got > 0) {
        // It hears of it when it looks.
        const arrived = now + delayMs;
        const heard = host.lookOffset + Math.ceil((arrived - host.lookOffset) / LOOK_MS) * LOOK_MS;
        host.meter.note(Math.floor(now * 10) & 0xffff, heard * host.clock + 12_345);
      }
      if (now < host.reportAt) continue;
      host.reportAt = now + reportEveryMs;
      const delay = host.meter.delayMs(now * host.clock + 12_345);
      control.onReport(
        `${host.lookOffset}`,
        { symbolsReceived: host.received, symbolsLost: host.lost, delayMs: delay },
        now,
      );
      host.received = 0;
      host.lost = 0;
      if (plan.tcp?.isOfServer === true && now >= 1_000) control.onOthers(sum(tcpMs, now - 1_000, now), now);
    }
  }
  const mean = (of: Float64Array, from: number, to: number) => sum(of, from, to) / ((to - from) / 1_000);
  return {
    stream: (from, to) => mean(streamMs, from, to),
    tcp: (from, to) => mean(tcpMs, from, to),
    delayMs: (percent, from, to) => delays.slice(from, to).sort()[Math.floor(((to - from) * percent) / 100)] ?? 0,
    mostRate,
    leastRate,
  };
}

function sum(of: Float64Array, from: number, to: number): number {
  return of.subarray(from, to).reduce((all, bytes) => all + bytes, 0);
}
