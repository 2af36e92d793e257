import { Fault } from "../../fault.ts";

const shownLines = 30;

/** What a machine wrote on its serial console, and the waiting for what it will write. */
export class ConsoleText {
  readonly #name: string;
  readonly #waiting = new Set<() => void>();
  readonly #decoder = new TextDecoder();
  #text = "";
  #end: Fault | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Everything written so far, as a person would read it: no colours, no cursor movements. */
  get text(): string {
    return this.#text;
  }

  append(bytes: Uint8Array): void {
    // An escape sequence may be cut by the end of a chunk, so the whole last line is cleaned again.
    const lastLine = this.#text.lastIndexOf("\n") + 1;
    this.#text =
      this.#text.slice(0, lastLine) + plain(this.#text.slice(lastLine) + this.#decoder.decode(bytes, { stream: true }));
    this.#tell();
  }

  /** Nothing more will come; whoever waits is told why. */
  end(reason: Fault): void {
    this.#end = reason;
    this.#tell();
  }

  /** Something comes again after `end`: the machine was switched on. */
  reopen(): void {
    this.#end = undefined;
  }

  /**
   * Waits until the text from `from` on matches, and gives the match.
   *
   * @param what what is waited for, in the words of a person: "the login prompt"
   * @param from an offset in `text`, where to begin to look
   * @throws {Fault} LAB_TIMEOUT, or the reason why nothing more will come
   */
  waitFor(pattern: RegExp, options: { deadlineMs: number; what: string; from: number }): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(() => reject(this.#late(pattern, options))), options.deadlineMs);
      const look = () => {
        const match = this.#text.slice(options.from).match(pattern);
        if (match !== null) finish(() => resolve(match));
        else if (this.#end !== undefined) finish(() => reject(this.#end));
      };
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The last lines, for an error text. */
  tail(): string {
    const lines = this.#text.split("\n").map((line) => line.trimEnd());
    return lines.slice(-shownLines).join("\n").trim() || "(nothing)";
  }

  #tell(): void {
    for (const look of [...this.#waiting]) look();
  }

  #late(pattern: RegExp, options: { deadlineMs: number; what: string }): Fault {
    return new Fault("LAB_TIMEOUT", {
      what: `Machine ${this.#name}: waited ${options.deadlineMs / 1000} s for ${options.what} (${pattern}).`,
      why: `It did not appear. The last ${shownLines} lines of its console:\n${this.tail()}`,
      fix: "Read the console from its beginning: the first line that is wrong is the cause.",
    });
  }
}

/** Without terminal control: escape sequences, carriage returns, other control characters. */
function plain(text: string): string {
  return (
    text
      // Moving the cursor to another line ends the line. Firmware paints its screen this way.
      .replaceAll(/\x1b\[\d+;\d+H/g, "\n")
      .replaceAll(/\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][0-9A-Za-z]|\x1b[=>c78]/g, "")
      .replaceAll(/[\x00-\x08\x0b-\x1a\x1c-\x1f]/g, "")
  );
}
