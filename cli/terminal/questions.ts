import { createInterface, type Interface } from "node:readline";

/** Asks a person at the terminal, or takes the lines of a pipe, one for each question. */
export class Questions {
  readonly #terminal: Interface;
  readonly #output: NodeJS.WritableStream;
  readonly #lines: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #isOver = false;

  constructor(input: NodeJS.ReadableStream = process.stdin, output: NodeJS.WritableStream = process.stdout) {
    this.#output = output;
    this.#terminal = createInterface({ input, output });
    this.#terminal.on("line", (line) => {
      if (this.#waiting === undefined) this.#lines.push(line);
      else this.#answer(line);
    });
    this.#terminal.once("close", () => {
      this.#isOver = true;
      this.#answer(undefined);
    });
    // A terminal that is read by lines keeps Ctrl-C to itself; whoever works now is to hear of it, as without a terminal.
    this.#terminal.on("SIGINT", () => {
      if (this.#waiting === undefined) process.kill(process.pid, "SIGINT");
      else this.#terminal.close();
    });
  }

  /** @returns undefined when there is no answer any more: Ctrl-C, Ctrl-D, the end of a pipe */
  async ask(question: string): Promise<string | undefined> {
    const early = this.#lines.shift();
    if (early !== undefined || this.#isOver) {
      this.#output.write(`${question}\n`);
      return early?.trim();
    }
    this.#terminal.setPrompt(question);
    this.#terminal.prompt();
    return new Promise((resolve) => {
      this.#waiting = (line) => resolve(line?.trim());
    });
  }

  close(): void {
    this.#terminal.close();
  }

  #answer(line: string | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(line);
  }
}
