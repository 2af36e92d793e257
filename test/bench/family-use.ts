import { readdirSync, readFileSync } from "node:fs";
import { childrenOf } from "../../scripts/lab/processes.ts";

/** What a process and its children use while it is watched. */
export class FamilyUse {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #mostBytes = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#look();
    this.#timer = setInterval(() => this.#look(), 250);
  }

  /** Of all its threads, to the microsecond; of its children once they ended, in hundredths. */
  get cpuSeconds(): number {
    const threads = readdirSync(`/proc/${this.#pid}/task`).map((thread) => {
      const [nanoseconds = "0"] = readFileSync(`/proc/${this.#pid}/task/${thread}/schedstat`, "latin1").split(" ");
      return Number(nanoseconds) / 1e9;
    });
    return threads.reduce((sum, seconds) => sum + seconds, endedChildrenSeconds(this.#pid));
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.#mostBytes;
  }

  /** Memory that processes share is counted once: each has its part of it. */
  #look(): void {
    let bytes = 0;
    for (const pid of [this.#pid, ...childrenOf(this.#pid)]) {
      try {
        const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
        bytes += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) * 1024;
      } catch {
        // A child that has just ended.
      }
    }
    this.#mostBytes = Math.max(this.#mostBytes, bytes);
  }
}

/** Fields 16 and 17 of proc(5)'s stat, in clock ticks of a hundredth of a second. */
function endedChildrenSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
