import { MARKS_PER_PASS, type Mark } from "../../multicast/pass-marks.ts";

const PERCENT_PER_MARK = 100 / MARKS_PER_PASS;

/**
 * Renders a restore as asr(8) prints it, one phase a line:
 *
 *     	Validating target...done
 *     	Restoring  ....10....20..x.30....40....50....60....70....80....90....100
 *
 * One mark stands for 2 %, the number for each fifth one. "x" is a stretch that
 * is still missing when it has gone by. A multicast client begins such a line
 * with every pass. It is pure: every method returns the text to write next.
 */
export class RestoreScreen {
  #isStepOpen = false;
  #pass = 0;
  /** The last mark of the open line; 0 when no line is open. */
  #mark = 0;
  #hasMissing = false;
  #label = "Restoring";

  /** "Validating target...": `done` ends the line. */
  step(name: string): string {
    const before = this.endLine();
    this.#isStepOpen = true;
    return `${before}\t${name}...`;
  }

  done(): string {
    if (!this.#isStepOpen) return "";
    this.#isStepOpen = false;
    return "done\n";
  }

  /** asr's question; the caller reads the answer from the same line. */
  question(target: string): string {
    return `${this.endLine()}\tErase contents of ${target}? [ny]: `;
  }

  /** One mark of a pass of a stream. */
  mark({ pass, mark, isMissing }: Mark): string {
    let text = "";
    if (this.#mark === 0 || pass !== this.#pass) {
      text = `${this.endLine()}\t${this.#label}  `;
      this.#pass = pass;
      this.#hasMissing = false;
    }
    this.#mark = mark;
    this.#hasMissing ||= isMissing;
    return text + this.#show(mark, isMissing);
  }

  /** Marks up to `fraction` (0 to 1) of work without passes, such as verifying. */
  progress(label: string, fraction: number): string {
    let text = label === this.#label ? "" : this.endLine();
    this.#label = label;
    const until = Math.min(MARKS_PER_PASS, Math.floor(fraction * MARKS_PER_PASS));
    for (let mark = this.#mark + 1; mark <= until; mark += 1)
      text += this.mark({ pass: this.#pass, mark, isMissing: false });
    return text;
  }

  /** Everything is there: completes the line, and writes a full one when the last one had gaps. */
  complete(): string {
    let text = "";
    if (this.#mark === 0 || this.#hasMissing) text = `${this.endLine()}\t${this.#label}  `;
    for (let mark = this.#mark + 1; mark <= MARKS_PER_PASS; mark += 1) text += this.#show(mark, false);
    this.#mark = 0;
    this.#hasMissing = false;
    return text;
  }

  /** Ends a line that is open, so that a message can follow. */
  endLine(): string {
    const isOpen = this.#isStepOpen || (this.#mark > 0 && this.#mark < MARKS_PER_PASS);
    this.#isStepOpen = false;
    this.#mark = 0;
    return isOpen ? "\n" : "";
  }

  #show(mark: number, isMissing: boolean): string {
    if (mark % 5 !== 0) return isMissing ? "x" : ".";
    return mark === MARKS_PER_PASS ? "100\n" : `${mark * PERCENT_PER_MARK}`;
  }
}

/**
 * The same for programs (`--puppetstrings`): one event a line, fields separated by tabs.
 *
 *     XSTA	start|validate|wait|compare|erase|restore|verify|finish	…   a phase begins; "wait" says for what
 *     PINF	percent	100	phase                              whole percents of compare, restore and verify, when they change
 *     PASS	number                                            a pass of the stream begins
 *     FAIL	code	what                                        the end, when it failed
 */
export class PuppetStrings {
  #phase = "";
  #percent = -1;

  phase(
    name: "start" | "validate" | "wait" | "compare" | "erase" | "restore" | "verify" | "finish",
    detail = "",
  ): string {
    const line = ["XSTA", name, ...(detail === "" ? [] : [clean(detail)])].join("\t");
    if (line === this.#phase) return "";
    this.#phase = line;
    this.#percent = -1;
    return `${line}\n`;
  }

  percent(percent: number, phase: "compare" | "restore" | "verify"): string {
    const whole = Math.floor(percent);
    if (whole === this.#percent) return "";
    this.#percent = whole;
    return `PINF\t${whole}\t100\t${phase}\n`;
  }

  pass(number: number): string {
    return `PASS\t${number}\n`;
  }

  fail(code: string, what: string): string {
    return `FAIL\t${code}\t${clean(what)}\n`;
  }
}

function clean(text: string): string {
  return text.replaceAll(/[\t\n]+/g, " ");
}
