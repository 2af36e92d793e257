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

/** @param program what `bundleSender` made; the source unless told */
export function startSender(
  room: BenchRoom,
  order: Omit<SendOrder, "address" | "port">,
  program = senderProgram,
): Speaker {
  return startProgram(room, "server", program, { address: serverAddress, port, ...order });
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
export function startProgram<Line extends { readonly type: string }>(
  room: BenchRoom,
  netns: string,
  program: string,
  order: object,
): Speaker<Line> {
  return new Speaker<Line>(room.lab.spawn(node, [program, JSON.stringify(order)], { netns }));
}

/** A process of ours that prints one JSON object a line, and what it said when: seconds of our `performance.now`. */
export class Speaker<Line extends { readonly type: string } = Said> {
  readonly process: LabProcess;
  readonly lines: { readonly atSeconds: number; readonly said: Line }[] = [];
  readonly #input: ReturnType<typeof createInterface>;

  constructor(lab: LabProcess) {
    this.process = lab;
    lab.stderr.on("data", (bytes: Buffer) => process.stderr.write(bytes));
    this.#input = createInterface({ input: lab.stdout });
    this.#input.on("line", (line) =>
      this.lines.push({ atSeconds: performance.now() / 1_000, said: JSON.parse(line) as Line }),
    );
  }

  /** Who is done ends by itself. */
  async end(): Promise<void> {
    await Promise.race([this.process.exited, delay(2_000, undefined, { ref: false })]);
    await this.process.stop();
  }

  /** Undefined when it ends without having said so, or takes too long. */
  async said<Type extends Line["type"]>(
    type: Type,
    deadlineMs: number,
  ): Promise<Extract<Line, { readonly type: Type }> | undefined> {
    const until = performance.now() + deadlineMs;
    const find = () => this.lines.find(({ said }) => said.type === type)?.said;
    for (;;) {
      const found = find();
      if (found !== undefined) return found as Extract<Line, { readonly type: Type }>;
      const heard = once(this.#input, "line").then(() => true);
      const isGoingOn = await Promise.race([
        heard,
        this.process.exited.then(() => false),
        delay(Math.max(0, until - performance.now()), false, { ref: false }),
      ]);
      if (!isGoingOn && find() === undefined) return undefined;
    }
  }
}
