import { Fault } from "../../fault.ts";
import type { AgentState, Registration, Report, ReportAnswer, ScriptResult } from "../contract.ts";
import type { MachineFacts } from "../display/view.ts";
import type { DiskState } from "../journey.ts";
import { Journey } from "../journey.ts";
import type { AgentPorts } from "../ports.ts";
import type { StepProgress } from "../step-progress.ts";
import { backoffMs } from "./backoff.ts";
import { reportsPath, type ServerClient } from "./server-client.ts";
import { serverNow } from "./servers.ts";

const MOST_BETWEEN_TRIES_MS = 8000;
/** A script that ran is told once. The restore does not wait longer for a server that does not answer. */
const SCRIPT_REPORT_MS = 60_000;

/** Who reports, and to whom. */
type Line = { readonly client: ServerClient; readonly host: Registration };

/**
 * Tells where the agent is: to the screen always, to the server when there is
 * one. A report that gets lost stops nothing, except where the agent asks for
 * permission; an answer that says stop aborts `cancelled`.
 */
export class Reporter {
  readonly #ports: Pick<AgentPorts, "clock" | "screen" | "log" | "logEnd" | "keepLastWord">;
  readonly #journey: Journey;
  #line: Line | undefined;
  #underway: Promise<unknown> = Promise.resolve();
  #isUnderway = false;
  #waitingFor = "";
  #cancel = new AbortController();
  /** The last word, while the server has not heard it. */
  #unheard: Report | undefined;
  /** The server has heard the last word. */
  #isOver = false;

  constructor(ports: Pick<AgentPorts, "clock" | "screen" | "log" | "logEnd" | "keepLastWord">) {
    this.#ports = ports;
    this.#journey = new Journey(ports.clock.now());
  }

  get disk(): DiskState {
    return this.#journey.disk;
  }

  /** Aborted with Fault DEPLOY_CANCELLED when the server takes the order back. */
  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  reportTo(line: Line): void {
    this.#line = line;
  }

  /** From here on the reports belong to this order; undefined: to none. */
  order(deployId: string | undefined): void {
    this.#journey.deployId = deployId;
    this.#cancel = new AbortController();
    this.#keepLastWord();
  }

  diskIs(disk: DiskState): void {
    this.#journey.diskIs(disk);
    this.#keepLastWord();
  }

  /** What has become known of this machine. */
  about(facts: Partial<MachineFacts>): void {
    this.#ports.screen.about(facts);
  }

  /** Whether the restored system will say itself that it is up: the last reports tell so. */
  set callsWhenUp(callsWhenUp: boolean) {
    this.#journey.callsWhenUp = callsWhenUp;
  }

  /** A line on the screen that is no change of state. */
  say(state: AgentState, text: string): void {
    this.#ports.screen.state(state, text);
  }

  /** A new state, or a new reason for being in it. */
  async enter(state: AgentState, detail: string, more: Pick<Report, "kept"> = {}): Promise<void> {
    const report = this.#journey.enter(state, detail, this.#ports.clock.now());
    this.#keepLastWord();
    this.#ports.screen.state(state, detail);
    await this.#send({ ...report, ...more });
  }

  /**
   * Enters a state only with the server's word that the order still stands.
   *
   * @param asks the challenge that the server's permit is to contain, and which disk it is for
   * @returns the permit, if one came; not checked yet
   * @throws {Fault} DEPLOY_CANCELLED, or why the server could not be asked
   */
  async enterWithPermission(
    state: AgentState,
    detail: string,
    withinMs: number,
    asks: Pick<Report, "challenge" | "disk"> = {},
  ): Promise<string | undefined> {
    const report = { ...this.#journey.enter(state, detail, this.#ports.clock.now()), ...asks };
    this.#keepLastWord();
    this.#ports.screen.state(state, detail);
    const answer = await this.#deliver(report, withinMs);
    if (!answer.proceed) throw cancelledFault(answer.reason);
    this.#cancel.signal.throwIfAborted();
    return answer.permit;
  }

  /** How a script of the order ended, with what it said. */
  async scriptEnded(script: ScriptResult, line: string): Promise<void> {
    const { state } = this.#journey;
    const report = this.#journey.enter(state, line, this.#ports.clock.now());
    this.#ports.screen.state(state, line);
    await this.#send({ ...report, script }, SCRIPT_REPORT_MS);
  }

  /** What a step tells while it goes on: the server hears at most one a second, and one at a time. */
  progress(progress: StepProgress): void {
    const { percent, detail } = progress;
    this.#ports.screen.progress(progress);
    // What goes on has its progress line; what is waited for is said once.
    if (percent === undefined && detail !== this.#waitingFor) this.#ports.screen.state(this.#journey.state, detail);
    this.#waitingFor = percent === undefined ? detail : "";
    if (this.#isUnderway) return;
    const report = this.#journey.progress(percent, detail, this.#ports.clock.now());
    if (report === undefined) return;
    this.#isUnderway = true;
    this.#underway = this.#send(report).finally(() => {
      this.#isUnderway = false;
    });
  }

  /** The last word. Tries until it was heard or `withinMs` is over; returns whether it was. */
  async finally(outcome: { done: string; holds?: string } | { fault: Fault }, withinMs: number): Promise<boolean> {
    const now = this.#ports.clock.now();
    let report: Report;
    if ("done" in outcome) {
      const { done, holds } = outcome;
      report = { ...this.#journey.done(done, now), ...(holds === undefined ? {} : { holds }) };
      this.#ports.screen.state("done", outcome.done);
    } else {
      report = this.#journey.fail(outcome.fault, now);
      this.#ports.screen.failed(outcome.fault, this.#journey.disk);
    }
    const log = this.#ports.logEnd?.();
    this.#unheard = log ? { ...report, log } : report;
    this.#keepLastWord();
    return this.tellLast(withinMs);
  }

  /** Says the last word again, unless it was heard. @returns whether it is heard now */
  async tellLast(withinMs: number): Promise<boolean> {
    const report = this.#unheard;
    if (report === undefined || this.#line === undefined) return report === undefined;
    try {
      await this.#deliver(report, withinMs);
      this.#unheard = undefined;
      this.#isOver = true;
      this.#keepLastWord();
      return true;
    } catch (error) {
      this.#ports.log.warn({ err: error }, "the last report was not heard");
      return false;
    }
  }

  /** @param withinMs how long it is tried again when it is not heard; 0: it is said once */
  async #send(report: Report, withinMs = 0): Promise<void> {
    if (report.state !== "failed" && this.#isUnderway) await this.#underway;
    if (this.#line === undefined) return;
    this.#ports.log.info({ report }, "report");
    try {
      const answer = await this.#tell(this.#line, report, withinMs);
      if (!answer.proceed) this.#cancel.abort(cancelledFault(answer.reason));
    } catch (error) {
      this.#ports.log.warn({ err: error }, "a report was not heard");
    }
  }

  /** Only while there is an order: nobody waits for another word. */
  #keepLastWord(): void {
    const line = this.#line;
    const report = this.#unheard ?? this.#journey.suddenEnd();
    if (line === undefined || this.#isOver || report.deployId === undefined) {
      this.#ports.keepLastWord?.(undefined);
      return;
    }
    const { client, host } = line;
    const url = new URL(reportsPath(host), serverNow(client.url)).href;
    this.#ports.keepLastWord?.({ url, token: host.token, report });
  }

  async #deliver(report: Report, withinMs: number): Promise<ReportAnswer> {
    await this.#underway;
    if (this.#line === undefined) throw new TypeError("there is nobody to ask");
    return this.#tell(this.#line, report, withinMs);
  }

  async #tell({ client, host }: Line, report: Report, withinMs: number): Promise<ReportAnswer> {
    const { clock, log } = this.#ports;
    const deadline = clock.now() + withinMs;
    for (let tries = 0; ; tries += 1) {
      try {
        return await client.report(host, report);
      } catch (error) {
        const waitMs = backoffMs(tries, MOST_BETWEEN_TRIES_MS);
        if (clock.now() + waitMs > deadline) throw error;
        log.warn({ err: error, waitMs }, "a report was not heard; trying again");
        await clock.sleep(waitMs);
      }
    }
  }
}

function cancelledFault(reason: string): Fault {
  return new Fault("DEPLOY_CANCELLED", {
    what: "The order was taken back.",
    why: reason === "" ? "The server says that it no longer stands." : `The server says: ${reason}`,
    fix: "Deploy again when the host is to be re-imaged after all.",
  });
}
