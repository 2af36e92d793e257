import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RateMode } from "../../multicast/rate-control.ts";
import { BenchRoom, hostAddress, hostName, serverAddress } from "./multicast-room.ts";
import { type Speaker, startProgram, startReceiver, startSender } from "./multicast-speaker.ts";
import type { NeighbourOrder, NeighbourSaid } from "./stream-neighbour.ts";
import { atLeast, atMost, type Figure, type Site } from "./stream-room-figures.ts";

const megabitsPerSecond = 100;
const rateBytesPerSecond = (megabitsPerSecond * 1e6) / 8;
/** Longer than all that is measured. */
const imageBytes = 192 * 1024 * 1024;
/** The stream finds its rate, or TCP does. */
const SETTLE_MS = 5_000;
const MEASURE_MS = 8_000;
const receivers = [1, 2];
const [puller, asker, answerer] = [3, 4, 5];
const hosts = 5;
const port = 9100;
const program = join(import.meta.dirname, "stream-neighbour.ts");
const apartAddress = "10.79.0.1";
const leastPullMegabits = { background: 75, normal: 45 } as const;

type Neighbour = Speaker<NeighbourSaid>;

/** What others on the network notice of a stream, on a switch that floods groups and on one that does not. */
export async function neighbours(site: Site): Promise<readonly Figure[]> {
  const folder = join(site.directory, "neighbours");
  mkdirSync(folder);
  try {
    const image = join(folder, "image.raw");
    writeFileSync(image, randomBytes(imageBytes));
    const figures: Figure[] = [];
    for (const isSnooping of [false, true])
      for (const mode of ["background", "normal"] as const)
        figures.push(...(await beside(site, folder, image, { isSnooping, mode })));
    figures.push(await alone(site, folder, image));
    return figures;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function beside(
  site: Site,
  folder: string,
  image: string,
  { isSnooping, mode }: { readonly isSnooping: boolean; readonly mode: "background" | "normal" },
): Promise<readonly Figure[]> {
  const room = await BenchRoom.open({ hosts, megabitsPerSecond, loss: 0, isSnooping });
  try {
    await addOtherSwitch(room);
    const start = (netns: string, order: NeighbourOrder): Neighbour => startProgram(room, netns, program, order);
    await ready(start("server", { role: "answer", address: serverAddress, port }));
    await ready(start(hostName(answerer!), { role: "answer", address: hostAddress(answerer!), port }));
    const pull = start(hostName(puller!), { role: "pull", address: serverAddress, port });
    const ask = start(hostName(asker!), { role: "ask", address: hostAddress(answerer!), port });
    const askServer = start(hostName(asker!), { role: "ask", address: serverAddress, port });
    await ready(start("apart1", { role: "answer", address: apartAddress, port }));
    const askApart = start("apart2", { role: "ask", address: apartAddress, port });
    const before = await measured();
    await stream(site, room, folder, image, mode);
    const during = await measured();
    const where = `${mode}, ${isSnooping ? "snooping" : "flooding"} switch`;
    // What rose there, too, is what the machine was busy with.
    const ofMachine = Math.max(0, during.askApart - before.askApart);
    console.error(`${where}: ${JSON.stringify({ before, during })}`);
    return [
      atLeast(`${where}: pull, Mbit/s`, during.pull, leastPullMegabits[mode]),
      atMost(`${where}: echo between others, p99 rises by ms`, during.ask - before.ask - ofMachine, 5),
      atMost(`${where}: echo to the server, p99 rises by ms`, during.askServer - before.askServer - ofMachine, 5),
    ];

    async function measured(): Promise<Record<"pull" | "ask" | "askServer" | "askApart", number>> {
      await delay(SETTLE_MS);
      const from = performance.now() / 1_000;
      await delay(MEASURE_MS);
      const since = (one: Neighbour) => one.lines.filter(({ atSeconds }) => atSeconds >= from).map(({ said }) => said);
      const bytes = since(pull).reduce((sum, said) => sum + (said.type === "pulled" ? said.bytes : 0), 0);
      const p99 = (one: Neighbour) => {
        const waits = since(one).flatMap((said) => (said.type === "answered" ? [said.ms] : []));
        return waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;
      };
      const pullMegabits = (bytes * 8) / 1e6 / (MEASURE_MS / 1_000);
      return { pull: pullMegabits, ask: p99(ask), askServer: p99(askServer), askApart: p99(askApart) };
    }
  } finally {
    await room.close();
  }
}

/** Two who are on another switch: nothing of what happens here reaches them, only that the same machine computes it. */
async function addOtherSwitch({ lab }: BenchRoom): Promise<void> {
  await lab.addBridge("br1");
  for (const [at, name] of ["apart1", "apart2"].entries()) {
    await lab.addNetns(name, `10.79.0.${at + 1}/24`, "br1");
    await lab.run(
      "tc",
      `qdisc add dev ${name} root tbf rate ${megabitsPerSecond}mbit burst 2kb limit 500kb`.split(" "),
    );
  }
}

/** What `background` sends when nobody else does, of what the link carries. */
async function alone(site: Site, folder: string, image: string): Promise<Figure> {
  const room = await BenchRoom.open({ hosts: receivers.length, megabitsPerSecond, loss: 0 });
  try {
    await stream(site, room, folder, image, "background");
    await delay(SETTLE_MS);
    const [from, at] = [room.sentBytes, performance.now()];
    await delay(MEASURE_MS);
    const share = (room.sentBytes - from) / ((performance.now() - at) / 1_000) / rateBytesPerSecond;
    return atLeast("background, alone: share of the link", share, 0.9);
  } finally {
    await room.close();
  }
}

async function stream(site: Site, room: BenchRoom, folder: string, image: string, mode: RateMode): Promise<void> {
  const streams = [{ group: "239.192.66.9", waitFor: receivers.length, isLooping: true }];
  const targets = mkdtempSync(join(folder, "targets-"));
  const sender = startSender(room, { path: image, rateBytesPerSecond, isFast: true, mode, streams });
  await sender.said("ready", 60_000);
  for (const number of receivers)
    startReceiver(room, site.hostProgram, number, { path: join(targets, hostName(number)), isFast: true });
  if ((await sender.said("started", 30_000)) === undefined) throw new Error("The stream did not start.");
}

async function ready(neighbour: Neighbour): Promise<void> {
  if ((await neighbour.said("ready", 10_000)) === undefined) throw new Error("A neighbour did not start.");
}
