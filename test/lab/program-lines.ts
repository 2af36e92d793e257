import { createInterface } from "node:readline";
import type { LabProcess } from "../../scripts/lab/namespace.ts";

const HEARD_WITHIN_MS = 120_000;

/** What a program of ours in a lab says: one JSON object a line. */
export class ProgramLines<Said> {
  readonly #said: Said[] = [];
  readonly #looks = new Set<() => void>();
  #end: string | undefined;

  constructor(process: LabProcess) {
    let errors = "";
    process.stderr.on("data", (bytes: Buffer) => {
      errors += bytes.toString();
    });
    createInterface({ input: process.stdout }).on("line", (line) => {
      this.#said.push(JSON.parse(line) as Said);
      this.#look();
    });
    void process.exited.then(() => {
      this.#end = `the program has ended: ${errors}`;
      this.#look();
    });
  }

  /** All that was said until now. */
  get all(): readonly Said[] {
    return this.#said;
  }

  /** Waits until `pick` finds in all that was said what it looks for. @param what for the error, in a person's words */
  hears<Found>(
    what: string,
    pick: (said: readonly Said[]) => Found | undefined,
    withinMs = HEARD_WITHIN_MS,
  ): Promise<Found> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => finish(() => reject(new Error(`waited for ${what}: ${why}`)));
      const timer = setTimeout(() => fail(`not said within ${withinMs / 1000} s`), withinMs);
      const look = () => {
        const found = pick(this.#said);
        if (found !== undefined) finish(() => resolve(found));
        else if (this.#end !== undefined) fail(this.#end);
      };
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#looks.delete(look);
        settle();
      };
      this.#looks.add(look);
      look();
    });
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }
}
