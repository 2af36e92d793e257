import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { Fault } from "../../fault.ts";

/** A connection to a machine's monitor: QMP, one JSON object a line. */
export type Monitor = {
  /** @throws {Fault} LAB_MONITOR when QEMU refuses, goes away or does not answer within 10 s */
  execute(command: string, parameters?: Record<string, unknown>): Promise<unknown>;
  close(): void;
};

const answerDeadlineMs = 10_000;
/** How long a QEMU that has just been started may take to listen. */
const listenDeadlineMs = 15_000;

/**
 * Connects as soon as QEMU listens, and says hello, as QMP wants before any command.
 *
 * @param isOver true when QEMU has ended: then nobody will listen any more
 */
export async function openMonitor(path: string, isOver: () => boolean = () => false): Promise<Monitor> {
  const socket = await listener(path, isOver);
  const waiting: { settle(answer: { return?: unknown; error?: { desc: string } } | undefined): void }[] = [];
  createInterface({ input: socket }).on("line", (line) => {
    const message = JSON.parse(line) as { QMP?: unknown; event?: string; return?: unknown; error?: { desc: string } };
    if (message.QMP === undefined && message.event === undefined) waiting.shift()?.settle(message);
  });
  socket.on("close", () => {
    for (const one of waiting.splice(0)) one.settle(undefined);
  });
  socket.unref();

  const monitor: Monitor = {
    execute(command, parameters) {
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(monitorFault(command, "It did not answer in time.")), answerDeadlineMs);
        waiting.push({
          settle(answer) {
            clearTimeout(late);
            if (answer === undefined) reject(monitorFault(command, "QEMU closed the connection."));
            else if (answer.error !== undefined) reject(monitorFault(command, answer.error.desc));
            else resolve(answer.return);
          },
        });
        socket.write(`${JSON.stringify({ execute: command, arguments: parameters ?? {} })}\n`);
      });
    },
    close() {
      socket.destroy();
    },
  };
  await monitor.execute("qmp_capabilities");
  return monitor;
}

/** QEMU makes the socket a moment after it starts, and listens at it a moment after that. */
async function listener(path: string, isOver: () => boolean): Promise<Socket> {
  for (const deadline = performance.now() + listenDeadlineMs; ; ) {
    const socket = connect(path);
    const failure = await new Promise<Error | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      // Later errors end in "close".
      socket.on("error", resolve);
    });
    if (failure === undefined) return socket;
    if (isOver() || performance.now() > deadline) throw monitorFault("connect", `${path}: ${failure.message}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function monitorFault(command: string, why: string): Fault {
  return new Fault("LAB_MONITOR", {
    what: `The machine's monitor did not do "${command}".`,
    why,
    fix: "See whether QEMU still runs, and what it wrote.",
  });
}
