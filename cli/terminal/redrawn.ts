import { safeText } from "./safe-text.ts";

/** A terminal, as `process.stderr` is one. */
export type Terminal = {
  readonly columns: number;
  readonly rows: number;
  write(text: string): void;
};

/** Lines that are drawn over those before them. None may be longer than the terminal is wide. */
export class Redrawn {
  readonly #terminal: Pick<Terminal, "write">;
  #shown = 0;

  constructor(terminal: Pick<Terminal, "write">) {
    this.#terminal = terminal;
  }

  draw(lines: readonly string[]): void {
    const up = this.#shown === 0 ? "" : `\x1b[${this.#shown}A`;
    // Each line ends what was longer in its place; what is left below goes as well.
    const text = lines.map((line) => `${safeText(line)}\x1b[K\n`).join("");
    this.#terminal.write(`\r${up}${text}\x1b[J`);
    this.#shown = lines.length;
  }
}
