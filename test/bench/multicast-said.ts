import { readFileSync } from "node:fs";

/** From the first data on: processor time of all threads, and the most memory ever. */
export type Use = { readonly cpuSeconds: number; readonly peakBytes: number };

/** What the processes of our stream print, one object a line. */
export type Said =
  | { readonly type: "ready" }
  | { readonly type: "started" }
  | ({
      readonly type: "done";
      readonly unicastPacks: number;
      /** Datagrams that found the socket's buffer full. */
      readonly overflows: number;
    } & Use);

export function say(said: Said): void {
  console.log(JSON.stringify(said));
}

/** What this process uses from `start` on. */
export class Meter {
  #before = process.cpuUsage();

  start(): void {
    this.#before = process.cpuUsage();
  }

  use(): Use {
    const { user, system } = process.cpuUsage(this.#before);
    return { cpuSeconds: (user + system) / 1e6, peakBytes: peakBytes() };
  }
}

// Not by getrusage: its figure begins with what the process that started this one had.
function peakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) * 1024;
}
