import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Why tests in network namespaces cannot run here, or false when they can.
 * They make networks of their own and touch no other.
 */
export function withoutNamespaces(...programs: readonly string[]): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux, for network namespaces";
  for (const program of ["unshare", "nsenter", "ip", ...programs]) {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
    } catch {
      return `needs the program ${program}`;
    }
  }
  return false;
}

/** One end of a cable; without an address when that is empty. */
export type End = readonly [name: string, address: string];

/** A network namespace with its own processes; all of them end with `close`. */
export class Namespace {
  readonly #holder: ChildProcess;
  readonly #pid: number;

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.#pid = pid;
  }

  static async open(): Promise<Namespace> {
    const holder = spawn("unshare", ["--net", "--pid", "--mount", "--fork", "--mount-proc", "cat"], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    // A test that fails must not wait for it: it ends with our end of the pipe.
    holder.unref();
    (holder.stdin as Socket).unref();
    const deadlineMs = Date.now() + 10_000;
    for (;;) {
      const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim();
      // The child is there before it has become cat; its namespace is new from the start.
      if (children !== "" && readFileSync(`/proc/${children}/comm`, "utf8").trim() === "cat") {
        const namespace = new Namespace(holder, Number(children));
        namespace.run("ip", "link", "set", "lo", "up");
        return namespace;
      }
      if (Date.now() > deadlineMs) throw new Error("unshare did not start within 10 s");
      await delay(5);
    }
  }

  /** Two namespaces joined by a cable. */
  static async pair(ends: readonly [End, End]): Promise<[Namespace, Namespace]> {
    const [one, other] = [await Namespace.open(), await Namespace.open()];
    const [[oneName, oneAddress], [otherName, otherAddress]] = ends;
    // In the network of the one, but among our processes: there the other has the number that we know.
    const peer = ["peer", "name", otherName, "netns", String(other.#pid)];
    const add = ["ip", "link", "add", oneName, "type", "veth", ...peer];
    execFileSync("nsenter", ["-t", String(one.#pid), "-n", ...add], { timeout: 10_000 });
    for (const [namespace, name, address] of [
      [one, oneName, oneAddress],
      [other, otherName, otherAddress],
    ] as const) {
      if (address !== "") namespace.run("ip", "addr", "add", address, "dev", name);
      namespace.run("ip", "link", "set", name, "up");
    }
    return [one, other];
  }

  #inside(command: readonly string[]): [string, string[]] {
    return ["nsenter", ["-t", String(this.#pid), "-n", "-p", "-m", ...command]];
  }

  /** Runs a command to its end, at most ten seconds; throws with its output when it fails. */
  run(...command: readonly string[]): string {
    const [program, args] = this.#inside(command);
    return execFileSync(program, args, { encoding: "utf8", timeout: 10_000, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Starts a command whose output comes line by line. */
  start(...command: readonly string[]): Lines {
    const [program, args] = this.#inside(command);
    return new Lines(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }));
  }

  /** A TypeScript file of the tests in this Node. */
  startNode(file: URL, ...args: readonly string[]): Lines {
    return this.start(process.execPath, file.pathname, ...args);
  }

  async close(): Promise<void> {
    this.#holder.ref();
    const ended = new Promise((resolve) => this.#holder.once("exit", resolve));
    this.#holder.stdin?.end();
    await ended;
  }
}

/** What a running process says, errors too, to be waited for with a deadline. */
export class Lines {
  readonly #process: ChildProcess;
  readonly #seen: string[] = [];
  #wake: () => void = () => {};
  #hasEnded = false;

  constructor(process: ChildProcess) {
    this.#process = process;
    for (const input of [process.stdout!, process.stderr!]) {
      createInterface({ input }).on("line", (line) => {
        this.#seen.push(line);
        this.#wake();
      });
    }
    process.once("close", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** All lines so far. */
  get seen(): readonly string[] {
    return this.#seen;
  }

  /** The first line that holds `text`; an error with all lines when none comes within ten seconds. */
  async until(text: string): Promise<string> {
    const deadline = AbortSignal.timeout(10_000);
    for (;;) {
      const found = this.#seen.find((line) => line.includes(text));
      if (found !== undefined) return found;
      if (this.#hasEnded || deadline.aborted) {
        throw new Error(
          `no "${text}" ${deadline.aborted ? "within 10 s" : "before the end"}:\n${this.#seen.join("\n")}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  /** Closes its input, which ends our own helpers. */
  end(): void {
    this.#process.stdin?.end();
  }
}
