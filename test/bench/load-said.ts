import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { percentile } from "./measure.ts";

/** What test/bench/load.ts gives its hosts to do; the one argument of load-hosts.ts, as JSON. */
export type HostsOrder = {
  /** "http://127.0.0.1:PORT" */
  readonly address: string;
  readonly hosts: number;
  readonly seconds: number;
};

/** The same of load-browsers.ts. */
export type BrowsersOrder = {
  /** "https://127.0.0.1:PORT", and a token of a viewer. */
  readonly address: string;
  readonly token: string;
  readonly browsers: number;
};

/** What they say, one JSON object a line, when they are told the next word. */
export type LoadSaid = {
  /** The step that is over. */
  readonly type: "registered" | "begun" | "open" | "done";
  readonly figures: Readonly<Record<string, number>>;
};

/** Carries out steps, each when its line comes on stdin, and says what came of it. */
export async function obey(
  steps: Readonly<Record<string, () => Promise<LoadSaid>>>,
  first: () => Promise<LoadSaid>,
): Promise<void> {
  const say = (said: LoadSaid) => process.stdout.write(`${JSON.stringify(said)}\n`);
  say(await first());
  for await (const line of createInterface(process.stdin)) {
    const step = steps[line];
    if (step === undefined) throw new Error(`There is no step "${line}".`);
    say(await step());
  }
}

/** How late answers were: "report p50 ms" and so on. */
export function latencies(name: string, took: readonly number[]): Record<string, number> {
  const of = (share: number) => percentile(took, share);
  return { [`${name}s`]: took.length, [`${name} p50 ms`]: of(0.5), [`${name} p99 ms`]: of(0.99) };
}

/** Whether it is the load itself that is slow: how busy its process is, and how late its own timers are. */
export class OwnUse {
  readonly #cpu: NodeJS.CpuUsage = process.cpuUsage();
  readonly #beganMs: number = performance.now();
  readonly #delay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({ resolution: 5 });

  constructor() {
    this.#delay.enable();
  }

  figures(name: string): Record<string, number> {
    const { user, system } = process.cpuUsage(this.#cpu);
    const share = (user + system) / 1_000 / (performance.now() - this.#beganMs);
    // Whoever waits for a timer of 5 ms waits so long anyway.
    return { [`${name} CPU share`]: share, [`${name} late p99 ms`]: Math.max(0, this.#delay.percentile(99) / 1e6 - 5) };
  }
}
