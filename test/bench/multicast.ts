/**
 * The stream beside udpcast and UFTP on the same network: `npm run bench:multicast` (root).
 *
 * A server and hosts in networks of their own on one switch; each port carries so much and no more, and each host
 * loses packets by chance. `--help` tells how to run a part of it.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { printBench, type Row } from "./measure.ts";
import { absent, bootcast, type Cast, type Contender, udpcast, uftp } from "./multicast-contenders.ts";
import { bundleHost, bundleSender } from "./multicast-programs.ts";
import { BenchRoom } from "./multicast-room.ts";
import { prepareSources, type SourceKind, type SourceOrder, sourceKinds } from "./multicast-source.ts";

const help = `usage: node test/bench/multicast.ts [options]        (root; apt-get install ethtool iproute2 nftables udpcast uftp)

  --receivers 1,4,8,16      how many hosts
  --loss 0,0.1,1,5          percent of the packets that each host loses
  --mebibytes 64            how much is sent; it does not compress
  --mbit 25                 what each port carries; 0: no limit
  --rate 25                 Mbit/s that ours and uftp are told to send at most (default: what the ports carry)
  --only bootcast,udpcast,uftp
  --mtu 1500                what cards and ports carry in a packet: 9000 needs --mbit 0
  --fast-path on            on, off or on,off: whether ours may use what Node itself does not offer
  --source file             file, store, sealed, encrypted or several: where ours takes the image from, or how it sends it

time       from the first data packet to the last host's end, in units of what the image takes with full frames at the rate
time/loss  the same in units of what a perfect code would take with that loss
wire       bytes that left the server's card in that time, in units of the image
MB         the most memory that the process had; of the receivers the largest
CPU        seconds a GiB of the image; of the receivers the mean
`;
const { values } = parseArgs({
  options: {
    receivers: { type: "string", default: "1,4,8,16" },
    loss: { type: "string", default: "0,0.1,1,5" },
    mebibytes: { type: "string", default: "64" },
    mbit: { type: "string", default: "25" },
    rate: { type: "string" },
    only: { type: "string", default: "bootcast,udpcast,uftp" },
    mtu: { type: "string", default: "1500" },
    "fast-path": { type: "string", default: "on" },
    source: { type: "string", default: "file" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}
const numbersOf = (list: string) => list.split(",").map(Number);
const imageBytes = Number(values.mebibytes) * 1024 * 1024;
const megabitsPerSecond = Number(values.mbit);
const rateBytesPerSecond = (Number(values.rate ?? values.mbit) * 1e6) / 8;
/** 1472 of 1514 bytes are payload in a full frame. */
const idealSeconds = (imageBytes * 1514) / 1472 / rateBytesPerSecond;

// Memory, where there is some: a disk is not what is measured.
const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bootcast-bench-multicast-"));
const hostProgram = join(directory, "host", "host.cjs");
try {
  const image = join(directory, "image.raw");
  writeFileSync(image, randomBytes(imageBytes));
  const digest = await digestOf(image);
  mkdirSync(join(directory, "host"));
  await bundleHost(hostProgram);
  mkdirSync(join(directory, "sender"));
  const senderProgram = await bundleSender(join(directory, "sender"));
  const sources = await prepareSources(kindsOf(values.source), image, directory);
  const rows: Row[] = [];
  for (const hosts of numbersOf(values.receivers)) {
    for (const percent of numbersOf(values.loss)) {
      for (const contender of contenders(sources))
        rows.push(await measure(contender, { hosts, percent, image, digest, senderProgram }));
    }
  }
  const setting = { mebibytes: imageBytes / 1024 ** 2, "Mbit/s a port": megabitsPerSecond };
  printBench("multicast", { ...setting, MTU: Number(values.mtu), "Mbit/s told": (rateBytesPerSecond * 8) / 1e6 }, rows);
} finally {
  rmSync(directory, { recursive: true });
}

function kindsOf(list: string): SourceKind[] {
  return list.split(",").map((word) => {
    const kind = sourceKinds.find((one) => one === word);
    if (kind === undefined) throw new Error(`There is no source ${word}; there are ${sourceKinds.join(", ")}.`);
    return kind;
  });
}

function contenders(sources: ReadonlyMap<SourceKind, SourceOrder>): Contender[] {
  return values.only.split(",").flatMap((name) => {
    if (name === "bootcast") {
      const ways = values["fast-path"].split(",").map((word) => word === "on");
      return ways.flatMap((isFast) => [...sources].map(([kind, source]) => bootcast(isFast, kind, source)));
    }
    if (name !== "udpcast" && name !== "uftp") throw new Error(`There is no ${name} to measure.`);
    const why = absent(name);
    if (why !== undefined) console.error(`${name} is left out: ${why}.`);
    return why === undefined ? [name === "udpcast" ? udpcast : uftp] : [];
  });
}

async function measure(
  contender: Contender,
  {
    hosts,
    percent,
    image,
    digest,
    senderProgram,
  }: { hosts: number; percent: number; image: string; digest: string; senderProgram: string },
): Promise<Row> {
  const room = await BenchRoom.open({ hosts, megabitsPerSecond, loss: percent / 100, mtuBytes: Number(values.mtu) });
  const targets = join(directory, "targets");
  mkdirSync(targets);
  try {
    const deadlineMs = 60_000 + idealSeconds * 4_000;
    const programs = { hostProgram, senderProgram };
    const cast: Cast = { room, image, ...programs, directory: targets, rateBytesPerSecond, deadlineMs };
    const result = await contender.run(cast);
    if (result.endedAtSeconds.length === 0) return { hosts, "loss %": percent, what: contender.name, right: 0 };
    const endedAtSeconds = Math.max(...result.endedAtSeconds);
    const { startedAtSeconds, sentBytes } = room.flow(rateBytesPerSecond, endedAtSeconds);
    let right = 0;
    for (let number = 1; number <= hosts; number += 1) {
      if ((await digestOf(contender.targetOf(cast, number))) === digest) right += 1;
    }
    const seconds = endedAtSeconds - startedAtSeconds;
    const gibibytes = imageBytes / 1024 ** 3;
    const { receivers, sender } = result;
    const cpuSeconds = receivers.reduce((sum, use) => sum + use.cpuSeconds, 0) / receivers.length;
    return {
      hosts,
      "loss %": percent,
      what: contender.name,
      right,
      seconds,
      time: figure(seconds / idealSeconds),
      "time/loss": figure((seconds / idealSeconds) * (1 - percent / 100)),
      wire: figure(sentBytes / imageBytes),
      "sender CPU": sender.cpuSeconds / gibibytes,
      "receiver CPU": cpuSeconds / gibibytes,
      "sender MB": sender.peakBytes / 1e6,
      "receiver MB": Math.max(...receivers.map(({ peakBytes }) => peakBytes)) / 1e6,
      ...(result.unicastPacks === undefined ? {} : { unicast: result.unicastPacks }),
      ...(result.overflows === undefined ? {} : { overflows: result.overflows }),
    };
  } finally {
    await room.close();
    rmSync(targets, { recursive: true });
  }
}

/** Three places behind the point: that is where they differ. */
function figure(value: number): string {
  return value.toFixed(3);
}

async function digestOf(path: string): Promise<string> {
  if (!existsSync(path)) return "absent";
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
