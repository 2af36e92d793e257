import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { LabProcess } from "../../scripts/lab/namespace.ts";
import type { ReceiveOrder } from "./multicast-host.ts";
import type { SendOrder } from "./multicast-process.ts";
import { type BenchRoom, hostName, serverAddress } from "./multicast-room.ts";
import type { Said } from "./multicast-said.ts";

const node = join(import.meta.dirname, "../../node_modules/.bin/node");
const senderProgram = join(import.meta.dirname, "multicast-process.ts");
const port = 7800;

export function startSender(room: BenchRoom, order: Omit<SendOrder, "address" | "port">): Speaker {
  return startProgram(room, "server", senderProgram, { address: serverAddress, port, ...order });
}

/** @param program what `bundleHost` made */
export function startReceiver(
  room: BenchRoom,
  program: string,
  number: number,
  order: Omit<ReceiveOrder, "server" | "name">,
): Speaker {
  const server = `http://${serverAddress}:${port}`;
  return startProgram(room, hostName(number), program, { server, name: hostName(number), ...order });
}

/** Starts a program that is told what to do in its one argument, and says how it goes. */
export function startProgram(room: BenchRoom, netns: string, program: string, order: object): Speaker {
  return new Speaker(room.lab.spawn(node, [program, JSON.stringify(order)], { netns }));
}

/** A process of ours, and what it said. */
class Speaker {
  readonly process: LabProcess;
  readonly #said: Said[] = [];
  readonly #lines: ReturnType<typeof createInterface>;

  constructor(lab: LabProcess) {
    this.process = lab;
    lab.stderr.on("data", (bytes: Buffer) => process.stderr.write(bytes));
    this.#lines = createInterface({ input: lab.stdout });
    this.#lines.on("line", (line) => this.#said.push(JSON.parse(line) as Said));
  }

  /** Who is done ends by itself. */
  async end(): Promise<void> {
    await Promise.race([this.process.exited, delay(2_000)]);
    await this.process.stop();
  }

  /** Undefined when it ends without having said so, or takes too long. */
  async said<Type extends Said["type"]>(type: Type, deadlineMs: number): Promise<(Said & { type: Type }) | undefined> {
    const until = performance.now() + deadlineMs;
    for (;;) {
      const found = this.#said.find((one) => one.type === type);
      if (found !== undefined) return found as Said & { type: Type };
      const heard = once(this.#lines, "line").then(() => true);
      const isGoingOn = await Promise.race([
        heard,
        this.process.exited.then(() => false),
        delay(Math.max(0, until - performance.now()), false),
      ]);
      if (!isGoingOn && !this.#said.some((one) => one.type === type)) return undefined;
    }
  }
}
