import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type LabProcess, type Namespace, openNamespace } from "../../../scripts/lab/namespace.ts";

/** A network of its own with these computers on one switch, each with its `eth0` under the address given. */
export async function openNetwork<Name extends string>(
  addresses: Readonly<Record<Name, string>>,
): Promise<Readonly<Record<Name, Computer>> & { close(): Promise<void> }> {
  const lab = await openNamespace();
  await lab.addBridge("br0");
  const computers = {} as Record<Name, Computer>;
  for (const [name, address] of Object.entries(addresses) as [Name, string][]) {
    await lab.addNetns(name, address, "br0");
    computers[name] = new Computer(lab, name);
  }
  return { ...computers, close: () => lab.close() };
}

/** A computer of a test's network. Its processes end with the network. */
export class Computer {
  readonly #lab: Namespace;
  readonly #netns: string;

  constructor(lab: Namespace, netns: string) {
    this.#lab = lab;
    this.#netns = netns;
  }

  /** Runs a command to its end, at most ten seconds, and gives its output; throws when it fails. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    return (await this.#lab.run(program, args, { netns: this.#netns, timeoutMs: 10_000 })).stdout;
  }

  /** Starts a command whose output comes line by line. */
  start(program: string, ...args: readonly string[]): Lines {
    return new Lines(this.#lab.spawn(program, args, { netns: this.#netns }));
  }

  /** A TypeScript file of the tests in this Node. */
  startNode(file: URL, ...args: readonly string[]): Lines {
    return this.start(process.execPath, fileURLToPath(file), ...args);
  }
}

/** What a running process says, errors too, to be waited for with a deadline. */
export class Lines {
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
  readonly #process: LabProcess;
  readonly #seen: string[] = [];
  #wake: () => void = () => {};
  #hasEnded = false;

  constructor(process: LabProcess) {
    this.#process = process;
    for (const input of [process.stdout, process.stderr]) {
      createInterface({ input }).on("line", (line) => {
        this.#seen.push(line);
        this.#wake();
      });
    }
    this.exited = process.exited.then(({ exitCode }) => {
      this.#hasEnded = true;
      this.#wake();
      return exitCode;
    });
  }

  /** All lines so far. */
  get seen(): readonly string[] {
    return this.#seen;
  }

  /** The first line that holds all of `texts`; an error with all lines when none comes within ten seconds. */
  until(...texts: readonly string[]): Promise<string> {
    return this.untilAfter(0, ...texts);
  }

  /** The same, of the lines from number `from` on: not of what was said before. */
  async untilAfter(from: number, ...texts: readonly string[]): Promise<string> {
    const deadline = AbortSignal.timeout(10_000);
    for (;;) {
      const found = this.#seen.slice(from).find((line) => texts.every((text) => line.includes(text)));
      if (found !== undefined) return found;
      if (this.#hasEnded || deadline.aborted) {
        const when = deadline.aborted ? "within 10 s" : "before the end";
        throw new Error(`no "${texts.join('" and "')}" ${when}:\n${this.#seen.join("\n")}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  write(text: string): void {
    this.#process.stdin.write(text);
  }

  /** Nothing happens when it has ended. */
  signal(name: NodeJS.Signals): void {
    this.#process.signal(name);
  }

  /** Closes its input, which ends our own helpers. */
  end(): void {
    this.#process.stdin.end();
  }

  /** Ends what does not end by itself. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
