import { once } from "node:events";
import { isIPv4 } from "node:net";
import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import type { EngineEvents, TransferEngine } from "./engine.ts";
import type { FromThread, ThreadStart, ToThread } from "./thread-messages.ts";

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const closeDeadlineMs = 2000;
const one = new Uint8Array(new BigUint64Array([1n]).buffer);

/**
 * Transfers on a thread of their own, which makes its system calls itself: a room of clients costs the rest of the
 * server nothing, and a busy server does not delay them.
 *
 * @param onBroken it ended by itself: a fault of ours; what ran on it has ended as `failed`
 * @returns undefined where that cannot be done: without koffi, on another system, on IPv6
 */
export async function openThreadEngine(
  addresses: readonly string[],
  events: EngineEvents,
  log: Logger,
  onBroken: () => void,
): Promise<TransferEngine | undefined> {
  if (!addresses.every((address) => isIPv4(address))) return undefined;
  const calls = loadSystemCalls();
  if (calls === undefined) return undefined;
  const wakeDescriptor = calls.eventfd(0, EFD_NONBLOCK_CLOEXEC);
  if (wakeDescriptor < 0) return undefined;
  const start: ThreadStart = { addresses, wakeDescriptor };
  // The package has the same file compiled.
  const file = import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.js";
  const worker = new Worker(new URL(file, import.meta.url), { workerData: start });
  const ended = once(worker, "exit");
  const running = new Set<number>();
  let state: "opening" | "open" | "closing" | "over" = "opening";
  worker.on("error", (error) => log.error({ err: error }, "tftp: the thread for transfers broke"));
  worker.on("exit", () => {
    const isBroken = state === "open";
    state = "over";
    calls.close(wakeDescriptor);
    for (const id of running) {
      events.ended(id, { result: "failed", reason: "the thread ended", acknowledgedBytes: 0, resends: 0 });
    }
    running.clear();
    if (isBroken) onBroken();
  });
  const opened = await new Promise<boolean>((resolve) => {
    worker.on("message", (message: FromThread) => {
      if (message.type === "ready") resolve(true);
      else if (message.type === "refused") {
        log.warn({ why: message.why }, "tftp: no thread for transfers, they go by Node's own sockets");
        resolve(false);
      } else if (message.type === "suspectMtu") events.suspectMtu(message.id);
      else {
        running.delete(message.id);
        events.ended(message.id, message.end);
      }
    });
    worker.once("exit", () => resolve(false));
  });
  if (!opened) {
    await ended;
    return undefined;
  }
  state = "open";

  function say(message: ToThread): void {
    if (state === "over") return;
    worker.postMessage(message);
    calls!.write(wakeDescriptor, one, 8);
  }
  return {
    kind: "thread",
    start(order) {
      running.add(order.id);
      say({ type: "start", order });
    },
    repeat: (id) => say({ type: "repeat", id }),
    supersede: (id) => say({ type: "supersede", id }),
    refuse: (serverAddress, peer, code, message) => say({ type: "refuse", serverAddress, peer, code, message }),
    async close() {
      say({ type: "close" });
      state = state === "over" ? "over" : "closing";
      const timer = setTimeout(() => void worker.terminate(), closeDeadlineMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
