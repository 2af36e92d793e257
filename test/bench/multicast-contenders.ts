import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { processUse } from "./measure.ts";
import { type BenchRoom, hostAddress, hostName } from "./multicast-room.ts";
import type { Use } from "./multicast-said.ts";
import type { SourceKind, SourceOrder } from "./multicast-source.ts";
import { startReceiver, startSender } from "./multicast-speaker.ts";

/** What is sent: a raw file; each host writes its own into `directory`, by the name of `targetOf`. */
export type Cast = {
  readonly room: BenchRoom;
  /** The programs of our host and our sender: see `bundleHost` and `bundleSender`. */
  readonly hostProgram: string;
  readonly senderProgram: string;
  readonly image: string;
  readonly directory: string;
  readonly rateBytesPerSecond: number;
  /** Nobody waits longer for it. */
  readonly deadlineMs: number;
};

export type CastResult = {
  /** When each host ended, by `performance.now`; those that failed are not among them. */
  readonly endedAtSeconds: readonly number[];
  readonly sender: Use;
  readonly receivers: readonly Use[];
  /** Packs fetched by unicast, of all hosts: only ours tells. */
  readonly unicastPacks?: number;
  /** Datagrams that found a host's buffer full: only ours tells. */
  readonly overflows?: number;
};

export type Contender = {
  readonly name: string;
  targetOf(cast: Cast, number: number): string;
  run(cast: Cast): Promise<CastResult>;
};

/** @param isFast false: with what Node itself offers only */
export function bootcast(isFast: boolean, kind: SourceKind, source: SourceOrder): Contender {
  const targetOf = ({ directory }: Cast, number: number) => join(directory, `${hostName(number)}.raw`);
  return {
    name: ["bootcast", ...(isFast ? [] : ["node:dgram"]), ...(kind === "file" ? [] : [kind])].join(", "),
    targetOf,
    async run(cast) {
      const { room, rateBytesPerSecond } = cast;
      const { hosts } = room.options;
      const streams = [{ group: "239.192.66.9", waitFor: hosts }];
      const sender = startSender(room, { ...source, rateBytesPerSecond, isFast, streams }, cast.senderProgram);
      await sender.said("ready", cast.deadlineMs);
      const receivers = numbers(hosts).map((number) =>
        startReceiver(room, cast.hostProgram, number, { path: targetOf(cast, number), isFast }),
      );
      const ended = await Promise.all(
        receivers.map(async (receiver) => {
          const said = await receiver.said("done", cast.deadlineMs);
          return said === undefined ? undefined : { ...said, atSeconds: performance.now() / 1_000 };
        }),
      );
      const sent = await sender.said("done", cast.deadlineMs);
      await Promise.all([sender, ...receivers].map((speaker) => speaker.end()));
      const done = ended.filter((one) => one !== undefined);
      return {
        endedAtSeconds: done.map(({ atSeconds }) => atSeconds),
        sender: sent ?? noUse,
        receivers: done,
        unicastPacks: done.reduce((sum, { unicastPacks }) => sum + unicastPacks, 0),
        overflows: done.reduce((sum, { overflows }) => sum + overflows, 0),
      };
    },
  };
}

/** As FOG calls it. */
export const udpcast: Contender = {
  name: "udpcast",
  targetOf: ({ directory }, number) => join(directory, `${hostName(number)}.raw`),
  async run(cast) {
    const { room, image } = cast;
    const { hosts } = room.options;
    const common = "--interface eth0 --portbase 9000 --ttl 32 --nokbd --no-progress";
    const send = `--min-receivers ${hosts} --max-wait 60 --full-duplex ${common} --file ${image}`;
    const sender = timed(cast, "server", "udp-sender", send.split(" "));
    const receivers = numbers(hosts).map((number) =>
      timed(cast, hostName(number), "udp-receiver", `${common} --file ${this.targetOf(cast, number)}`.split(" ")),
    );
    return resultOf(await Promise.all([sender, ...receivers]));
  },
};

/** At 95 % of the rate: it counts payload only. Its daemons run on; their hosts are done when they say so. */
export const uftp: Contender = {
  name: "uftp",
  targetOf: ({ directory, image }, number) => join(directory, hostName(number), image.split("/").at(-1)!),
  async run(cast) {
    const { room, image, directory, rateBytesPerSecond } = cast;
    const { hosts } = room.options;
    const daemons = numbers(hosts).map((number) => {
      const target = join(directory, hostName(number));
      mkdirSync(target, { recursive: true });
      return room.lab.spawn("uftpd", ["-d", "-I", "eth0", "-D", target], { netns: hostName(number) });
    });
    const ends = daemons.map(async (daemon) => {
      daemon.stdout.resume();
      for await (const line of createInterface({ input: daemon.stderr })) {
        if (/file transfer complete/i.test(line)) return performance.now() / 1_000;
      }
      return undefined;
    });
    const addresses = numbers(hosts).map(hostAddress).join(",");
    const rate = Math.round((rateBytesPerSecond * 8 * 0.95) / 1_000);
    const words = ["-I", "eth0", "-t", "3", "-R", String(rate), "-H", addresses, image];
    const sent = await timed(cast, "server", "uftp", words);
    const endedAtSeconds = await Promise.all(
      ends.map((end) => Promise.race([end, delay(2_000, undefined, { ref: false })])),
    );
    const receivers = daemons.map(({ pid }) => (pid === undefined ? noUse : processUse(pid)));
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    return { endedAtSeconds: endedAtSeconds.filter((end) => end !== undefined), sender: sent.use, receivers };
  },
};

/** @returns why the peer cannot be measured here; undefined when it can */
export function absent(name: "udpcast" | "uftp"): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const isThere = (file: string) => folders.some((folder) => existsSync(join(folder, file)));
  const programs = name === "udpcast" ? ["udp-sender", "udp-receiver"] : ["uftp", "uftpd"];
  return programs.every(isThere) ? undefined : `it is not installed: apt-get install ${name}`;
}

const noUse: Use = { cpuSeconds: Number.NaN, peakBytes: Number.NaN };

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

type Timed = { readonly isDone: boolean; readonly atSeconds: number; readonly use: Use };

/** Runs a program to its end, with what the shell says it used. */
async function timed(cast: Cast, netns: string, name: string, words: readonly string[]): Promise<Timed> {
  const script = `"$@" >/dev/null 2>&1; code=$?; times; exit $code`;
  const child = cast.room.lab.spawn("bash", ["-c", script, "-", name, ...words], { netns });
  child.stderr.resume();
  const output = text(child.stdout);
  const timer = setTimeout(() => child.signal("SIGKILL"), cast.deadlineMs);
  const { exitCode } = await child.exited;
  clearTimeout(timer);
  const atSeconds = performance.now() / 1_000;
  const [, ofChildren = ""] = (await output).split("\n");
  const parts = [...ofChildren.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) => +minutes! * 60 + +seconds!);
  const cpuSeconds = parts.length === 2 ? parts[0]! + parts[1]! : Number.NaN;
  return { isDone: exitCode === 0, atSeconds, use: { cpuSeconds, peakBytes: Number.NaN } };
}

function resultOf([sender, ...receivers]: readonly Timed[]): CastResult {
  const done = receivers.filter(({ isDone }) => isDone);
  return {
    endedAtSeconds: done.map(({ atSeconds }) => atSeconds),
    sender: sender?.use ?? noUse,
    receivers: done.map(({ use }) => use),
  };
}
