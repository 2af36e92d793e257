import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BenchRoom, hostName, type RoomOptions } from "./multicast-room.ts";
import { type Speaker, startReceiver, startSender } from "./multicast-speaker.ts";
import { atMost, type Figure, type Site } from "./stream-room-figures.ts";
import { neighbours } from "./stream-room-neighbours.ts";

/** Each opens rooms of its own, and closes them. */
export const cases: Readonly<Record<string, (site: Site) => Promise<readonly Figure[]>>> = {
  "one-vs-sixteen": oneVersusSixteen,
  "two-streams": twoStreams,
  "late-join": lateJoin,
  "slow-link": slowLink,
  "server-restart": serverRestart,
  "host-killed": hostKilled,
  neighbours,
};

const group = "239.192.66.9";

/** Seconds that the image takes at the rate, in full frames. */
const idealSeconds = ({ imageBytes, megabitsPerSecond }: Site): number =>
  (imageBytes * 1514 * 8) / 1472 / (megabitsPerSecond * 1e6);

/** A host that was started, and how it ended: seconds of `performance.now`, undefined when it failed. */
type Host = {
  readonly speaker: Speaker;
  readonly path: string;
  readonly ended: Promise<number | undefined>;
};

/** A room with one sender and its hosts, for one run. */
class Run {
  readonly room: BenchRoom;
  readonly #site: Site;
  readonly #folder: string;
  readonly #deadlineMs: number;
  readonly #digest: Promise<string>;

  private constructor(site: Site, room: BenchRoom) {
    this.#site = site;
    this.room = room;
    this.#folder = mkdtempSync(join(site.directory, "hosts-"));
    this.#deadlineMs = 60_000 + idealSeconds(site) * 15_000;
    this.#digest = site.digestOf(site.image);
  }

  static async open(site: Site, options: Pick<RoomOptions, "hosts" | "loss">): Promise<Run> {
    return new Run(site, await BenchRoom.open({ ...options, megabitsPerSecond: site.megabitsPerSecond }));
  }

  get rateBytesPerSecond(): number {
    return (this.#site.megabitsPerSecond * 1e6) / 8;
  }

  async send(
    streams: Parameters<typeof startSender>[1]["streams"],
    more: { readonly budgetBytesPerSecond?: number } = {},
  ): Promise<Speaker> {
    const { image: path } = this.#site;
    const { rateBytesPerSecond } = this;
    const sender = startSender(this.room, { path, rateBytesPerSecond, isFast: true, streams, ...more });
    if ((await sender.said("ready", this.#deadlineMs)) === undefined) throw new Error("The sender did not start.");
    return sender;
  }

  host(number: number, ofGroup = group): Host {
    const path = join(this.#folder, `${hostName(number)}.raw`);
    const order = { path, isFast: true, group: ofGroup };
    const speaker = startReceiver(this.room, this.#site.hostProgram, number, order);
    const ended = speaker.said("done", this.#deadlineMs).then(async (said) => {
      const atSeconds = performance.now() / 1_000;
      return said !== undefined && (await this.#site.digestOf(path)) === (await this.#digest) ? atSeconds : undefined;
    });
    return { speaker, path, ended };
  }

  hosts(first: number, count: number, ofGroup?: string): Host[] {
    return Array.from({ length: count }, (_, at) => this.host(first + at, ofGroup));
  }

  /** When this share of the image has left the server. */
  async sent(share: number): Promise<void> {
    const until = performance.now() + this.#deadlineMs;
    const before = this.room.sentBytes;
    while (this.room.sentBytes - before < share * this.#site.imageBytes) {
      if (performance.now() > until) throw new Error(`Less than ${share} of the image was sent in time.`);
      await delay(20);
    }
  }

  /** When all of these hosts have ended, with the right bytes. */
  async last(hosts: readonly Host[]): Promise<number> {
    const ends = await Promise.all(hosts.map(({ ended }) => ended));
    const failed = ends.flatMap((end, at) => (end === undefined ? [hosts[at]!.path] : []));
    if (failed.length > 0) throw new Error(`Without the right bytes: ${failed.join(", ")}`);
    return Math.max(...(ends as number[]));
  }

  flow(endedAtSeconds: number) {
    return this.room.flow(this.rateBytesPerSecond, endedAtSeconds);
  }

  close(): Promise<void> {
    return this.room.close();
  }
}

/** Opens a room for a case and closes it afterwards, with all that runs in it. */
async function withRun<T>(site: Site, hosts: number, what: (run: Run) => Promise<T>): Promise<T> {
  const run = await Run.open(site, { hosts, loss: 0 });
  try {
    return await what(run);
  } finally {
    await run.close();
  }
}

/** Seconds from the first data to the last host's end. */
function secondsFor(site: Site, count: number): Promise<number> {
  return withRun(site, count, async (run) => {
    await run.send([{ group, waitFor: count }]);
    const end = await run.last(run.hosts(1, count));
    return end - run.flow(end).startedAtSeconds;
  });
}

async function oneVersusSixteen(site: Site): Promise<readonly Figure[]> {
  const one = await secondsFor(site, 1);
  const sixteen = await secondsFor(site, 16);
  return [atMost("time of 16 hosts ÷ time of 1", sixteen / one, 1.05)];
}

async function twoStreams(site: Site): Promise<readonly Figure[]> {
  const alone = await secondsFor(site, 4);
  const both = await withRun(site, 8, async (run) => {
    const groups = [group, "239.192.66.10"] as const;
    const streams = groups.map((one) => ({ group: one, waitFor: 4 }));
    await run.send(streams, { budgetBytesPerSecond: run.rateBytesPerSecond });
    const hosts = [...run.hosts(1, 4, groups[0]), ...run.hosts(5, 4, groups[1])];
    const end = await run.last(hosts);
    return end - run.flow(end).startedAtSeconds;
  });
  return [atMost("two streams together ÷ one after the other", both / (2 * alone), 1.1)];
}

async function lateJoin(site: Site): Promise<readonly Figure[]> {
  return withRun(site, 5, async (run) => {
    await run.send([{ group, waitFor: 4, isLooping: true }]);
    const early = run.hosts(1, 4);
    await run.sent(0.5);
    const late = run.host(5);
    const earlyEnd = await run.last(early);
    const end = await run.last([late]);
    const { startedAtSeconds } = run.flow(end);
    const ideal = idealSeconds(site);
    return [
      atMost("last host's end ÷ ideal", (end - startedAtSeconds) / ideal, 1.55),
      atMost("the others' end ÷ ideal", (earlyEnd - startedAtSeconds) / ideal, 1.05),
    ];
  });
}

async function slowLink(site: Site): Promise<readonly Figure[]> {
  return withRun(site, 8, async (run) => {
    await run.room.throttle(8, site.megabitsPerSecond / 10);
    await run.send([{ group, waitFor: 8, isLooping: true }]);
    const fast = run.hosts(1, 7);
    const slow = run.host(8);
    const end = await run.last(fast);
    const slowEnd = await run.last([slow]);
    const { startedAtSeconds } = run.flow(end);
    const ideal = idealSeconds(site);
    return [
      atMost("the others' end ÷ ideal", (end - startedAtSeconds) / ideal, 1.1),
      atMost("slow host's end ÷ its own ideal", (slowEnd - startedAtSeconds) / (10 * ideal), 1.3),
    ];
  });
}

async function serverRestart(site: Site): Promise<readonly Figure[]> {
  return withRun(site, 4, async (run) => {
    const streamId = randomBytes(8).toString("hex");
    const first = await run.send([{ group, waitFor: 4, streamId, isLooping: true }]);
    const hosts = run.hosts(1, 4);
    await run.sent(0.4);
    first.process.signal("SIGKILL");
    await first.process.exited;
    await delay(3_000);
    await run.send([{ group, waitFor: 1, streamId, isLooping: true }]);
    const end = await run.last(hosts);
    const { startedAtSeconds, sentBytes } = run.flow(end);
    const ideal = idealSeconds(site);
    return [
      atMost("bytes on the wire ÷ image", sentBytes / site.imageBytes, 1.06),
      atMost("last host's end ÷ (ideal + 3 s)", (end - startedAtSeconds) / (ideal + 3), 1.2),
    ];
  });
}

async function hostKilled(site: Site): Promise<readonly Figure[]> {
  return withRun(site, 5, async (run) => {
    await run.send([{ group, waitFor: 5, isLooping: true }]);
    const others = run.hosts(1, 4);
    const unlucky = run.host(5);
    await run.sent(0.5);
    unlucky.speaker.process.signal("SIGKILL");
    const end = await run.last(others);
    const { startedAtSeconds } = run.flow(end);
    return [atMost("the others' end ÷ ideal", (end - startedAtSeconds) / idealSeconds(site), 1.05)];
  });
}
