/**
 * A room full of machines in one process (test/lab/crowd.ts starts it in a network of its own). Its one argument is a
 * `CrowdOrder`; it prints one JSON object a line, a `CrowdSaid`, and takes one a line, a `CrowdWish`.
 *
 * A few are the real agent with a real receiver of the stream, whose disk is a file and is compared with the image in
 * the end. The others speak the agent's HTTP and get as far as the slowest of the real ones.
 */
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "undici";
import type { Report } from "../../agent/contract.ts";
import type { VerifyRequest } from "../../agent/ports.ts";
import { runAgent } from "../../agent/run.ts";
import { FileTarget } from "../../agent/stream/file-target.ts";
import { differingCells } from "../../images/verify.ts";
import { type AgentDisk, type Moved, realAgentOn } from "./real-agent.ts";
import { SimulatedAgent, simulatedInventory } from "./simulated-room.ts";

export type CrowdOrder = {
  /** "http://10.77.0.1:8440", for agents. */
  readonly server: string;
  /** Where the pages are; whoever connects to `socket` comes out there. */
  readonly pages: { readonly host: string; readonly port: number };
  readonly socket: string;
  /** Of this network's card. Machines share them. */
  readonly addresses: readonly string[];
  readonly simulated: number;
  readonly real: number;
  /** The site's public key, PEM. */
  readonly trusted: string;
  /** Where the disks of the real ones lie. */
  readonly directory: string;
  readonly diskBytes: number;
};

/** What becomes of a simulated machine in the orders to come. */
export type Fate = {
  readonly name: string;
  /** Of what arrives, so much is lost. */
  readonly lossShare?: number;
  /** It fails when the others are so far. */
  readonly failsAtPercent?: number;
  readonly fault?: Report["fault"];
};

export type CrowdWish =
  | { readonly type: "fate"; readonly fate: Fate }
  /** These are started again, and ask what there is to do. */
  | { readonly type: "again"; readonly names: readonly string[] };

export type CrowdSaid =
  | { readonly type: "registered"; readonly simulated: readonly string[] }
  /** A real one has carried out its order, or not. */
  | { readonly type: "ended"; readonly mac: string; readonly outcome: string; readonly failures: readonly string[] }
  /** What a machine that was started again was told. */
  | { readonly type: "told"; readonly name: string; readonly kind: string; readonly reason: string };

/** A real agent reports once a second at most; so many at once on two cores shall leave time for the others. */
const REPORT_EVERY_MS = 2_000;
const REGISTERED_AT_ONCE = 10;

const nothing = { done: 0, received: 0, lost: 0 };
const nobodyKnows = { code: "BROKEN", what: "It broke.", why: "Nobody knows.", fix: "Look at it." };

const order = JSON.parse(process.argv[2]!) as CrowdOrder;
const fates = new Map<string, Fate>();
const say = (said: CrowdSaid) => process.stdout.write(`${JSON.stringify(said)}\n`);

/** How far the real ones are: each one's percent of the stream, and the datagrams that the first has received. */
const percents = new Map<number, number>();
let datagrams = 0;
let areReceived = false;

/** The way from another network to the pages. */
async function openPages(): Promise<void> {
  const server = createServer((near) => {
    const far = connect(order.pages);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  server.listen(order.socket);
  await once(server, "listening");
}

/** One machine with the real agent. It resolves when all is received, or nothing more will be. */
function startReal(number: number): Promise<void> {
  const { server, trusted, directory, diskBytes, addresses } = order;
  const file = join(directory, `crowd-${number}.raw`);
  const target = new FileTarget(file, diskBytes);
  const disk: AgentDisk = {
    sizeBytes: diskBytes,
    open: () => target.create({ found: undefined }),
    // The reading back comes after it.
    close: async () => {},
    erase: async () => {},
    read: (offset, length) => target.read(offset, length),
    write: (offset, bytes) => target.write(offset, bytes),
    flush: async () => {},
  };
  const about = { server: new URL(server), trusted: createPublicKey(trusted), address: addresses[0]! };
  const agent = realAgentOn(disk, number, about);
  agent.signs.on("moved", ({ packsDone, packsTotal, symbolsReceived }: Moved) => {
    percents.set(number, (100 * packsDone) / packsTotal);
    if (number === 1) datagrams = symbolsReceived;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const verify = async ({ manifest }: VerifyRequest) => {
    resolve();
    for await (const cell of differingCells(manifest, target)) throw new Error(`cell ${cell} of ${file} is wrong`);
    return 0;
  };
  void runAgent({ ...agent.ports, verify })
    .catch((error: unknown) => String(error))
    .then(async (outcome) => {
      resolve();
      const failures = agent.failures.map(({ code, what }) => `${code}: ${what}`);
      say({ type: "ended", mac: agent.mac, outcome, failures });
      await target.close();
      await rm(file, { force: true });
    });
  return promise;
}

/** A machine that says what an agent says. */
class Machine {
  readonly #number: number;
  readonly #client: Client;
  #agent!: SimulatedAgent;
  #isAgain = false;

  constructor(number: number) {
    this.#number = number;
    this.#client = new Client(order.server, { localAddress: order.addresses[number % order.addresses.length]! });
  }

  get name(): string {
    return this.#agent.name;
  }

  async start(): Promise<void> {
    this.#agent = await SimulatedAgent.register(order.server, simulatedInventory(this.#number), this.#client);
  }

  async again(): Promise<void> {
    this.#isAgain = true;
    await this.start();
    await this.live();
  }

  /** Until it starts its own disk, with the image or without. */
  async live(): Promise<void> {
    for (;;) {
      const askedAt = performance.now();
      const told = await this.#agent.asks(25);
      if (this.#isAgain) say({ type: "told", name: this.name, kind: told.kind, reason: told.reason });
      if (told.kind === "deploy") return this.#carryOut();
      if (told.kind !== "wait") return;
      await delay(Math.max(0, 1_000 - (performance.now() - askedAt)));
    }
  }

  async #carryOut(): Promise<void> {
    const agent = this.#agent;
    const {
      lossShare = 0,
      failsAtPercent = Number.POSITIVE_INFINITY,
      fault = nobodyKnows,
    } = fates.get(this.name) ?? {};
    await agent.join();
    for (;;) {
      const { streamState, reportEveryMs = 0 } = await agent.receive("ready", nothing);
      if (streamState !== "open") break;
      await delay(Math.max(reportEveryMs, REPORT_EVERY_MS));
    }
    await agent.report("erasing", { detail: "/dev/sda" });
    await delay(Math.random() * REPORT_EVERY_MS);
    for (let seen = 0; ; ) {
      const percent = areReceived ? 100 : percents.size < order.real ? 0 : Math.min(...percents.values());
      if (percent >= failsAtPercent) {
        await agent.report("failed", { fault });
        await agent.receive("failed", nothing);
        return;
      }
      const now = datagrams;
      const lost = Math.round((now - seen) * lossShare);
      await agent.receive("receiving", { done: percent, received: now - seen - lost, lost });
      seen = now;
      await agent.report("receiving", { percent, detail: "The stream is running." });
      if (areReceived) break;
      await delay(REPORT_EVERY_MS);
    }
    await agent.receive("done", { ...nothing, done: 100 });
    await agent.report("verifying", { percent: 0 });
    await delay(Math.random() * REPORT_EVERY_MS);
    await agent.report("rebooting");
    await agent.report("done");
  }
}

await openPages();
const real = Array.from({ length: order.real }, (_, at) => startReal(at + 1));
const simulated: Machine[] = [];
for (let at = 0; at < order.simulated; at += REGISTERED_AT_ONCE) {
  const count = Math.min(REGISTERED_AT_ONCE, order.simulated - at);
  const some = Array.from({ length: count }, (_, more) => new Machine(order.real + at + more + 1));
  await Promise.all(some.map((one) => one.start()));
  simulated.push(...some);
}
say({ type: "registered", simulated: simulated.map(({ name }) => name) });
for (const one of simulated) void one.live();
void Promise.all(real).then(() => {
  areReceived = true;
});
for await (const line of createInterface({ input: process.stdin })) {
  const wish = JSON.parse(line) as CrowdWish;
  if (wish.type === "fate") fates.set(wish.fate.name, wish.fate);
  else for (const one of simulated.filter(({ name }) => wish.names.includes(name))) void one.again();
}
process.exit();
