import { PuppetStrings, RestoreScreen } from "../../agent/display/screen.ts";
import type { ReceiveProgress } from "../../agent/stream/receive-options.ts";
import type { Fault } from "../../fault.ts";
import type { Mark } from "../../multicast/pass-marks.ts";
import { say } from "../terminal/output.ts";

/** Phases with marks and percents. */
type Marked = "compare" | "restore" | "verify";

const labels: Readonly<Record<Marked, string>> = { compare: "Comparing", restore: "Restoring", verify: "Verifying" };

/** What a restore shows: asr's lines for people, puppet strings for programs, or nothing. */
export class RestoreOutput {
  readonly #kind: "people" | "programs" | "nothing";
  readonly #write: (text: string) => void;
  readonly #screen = new RestoreScreen();
  readonly #puppet = new PuppetStrings();
  #pass = 0;
  #waitShown = "";

  constructor(kind: "people" | "programs" | "nothing", write: (text: string) => void) {
    this.#kind = kind;
    this.#write = write;
  }

  start(): void {
    this.#forPrograms(() => this.#puppet.phase("start"));
  }

  /** One phase: its line stands while `work` runs, and ends with "done". */
  async step<T>(name: string, phase: "validate" | "erase" | "finish", work: () => Promise<T>): Promise<T> {
    this.#forPeople(() => this.#screen.step(name));
    this.#forPrograms(() => this.#puppet.phase(phase, name));
    const result = await work();
    this.#forPeople(() => this.#screen.done());
    return result;
  }

  question(target: string): string {
    return this.#screen.question(target);
  }

  mark(mark: Mark): void {
    this.#forPeople(() => this.#screen.mark(mark));
    if (mark.pass === this.#pass) return;
    this.#pass = mark.pass;
    this.#forPrograms(() => this.#puppet.pass(mark.pass));
  }

  /** A line for people beside asr's own. */
  note(text: string): void {
    this.#forPeople(() => {
      say(text);
      return "";
    });
  }

  /** Why nothing comes, one sentence; empty when it goes on. */
  waits(reason: string): void {
    this.#forPeople(() => this.#sayWait(reason));
    if (reason !== "") this.#forPrograms(() => this.#puppet.phase("wait", reason));
  }

  /** From a stream: waits and percents. Its marks come by `mark`. */
  received({ stage, waitingFor, percent }: ReceiveProgress): void {
    this.waits(waitingFor);
    if (waitingFor !== "") return;
    if (stage === "receiving") {
      this.#forPrograms(() => this.#puppet.phase("restore") + this.#puppet.percent(percent, "restore"));
    }
  }

  /** Of work without passes. */
  progress(phase: Marked, fraction: number): void {
    const label = labels[phase];
    this.#forPeople(() => this.#screen.progress(label, fraction));
    this.#forPrograms(() => this.#puppet.phase(phase) + this.#puppet.percent(fraction * 100, phase));
  }

  /** The phase of marks is over and nothing is missing. */
  complete(phase: Marked): void {
    this.#forPeople(() => this.#screen.complete());
    this.#forPrograms(() => this.#puppet.phase(phase) + this.#puppet.percent(100, phase));
  }

  finish(): void {
    this.#forPrograms(() => this.#puppet.phase("finish"));
  }

  fail(fault: Pick<Fault, "code" | "what">): void {
    this.#forPeople(() => this.#screen.endLine());
    this.#forPrograms(() => this.#puppet.fail(fault.code, fault.what));
  }

  // asr's own lines have no words for a wait, and programs compare them: so it is said on stderr.
  #sayWait(waitingFor: string): string {
    if (waitingFor === this.#waitShown) return "";
    this.#waitShown = waitingFor;
    // On a terminal a line of marks may be open.
    if (waitingFor !== "") say(process.stderr.isTTY && this.#pass > 0 ? `\n${waitingFor}` : waitingFor);
    return "";
  }

  #forPeople(text: () => string): void {
    if (this.#kind === "people") this.#write(text());
  }

  #forPrograms(text: () => string): void {
    if (this.#kind === "programs") this.#write(text());
  }
}
