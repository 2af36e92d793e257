import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { type Check, type DoctorLine, isProblem } from "./finding.ts";
import { runChecks } from "./run-checks.ts";

/** All looks together; the slowest is the one for an IGMP querier, with three seconds. */
export const DOCTOR_WITHIN_MS = 4_000;
const EVERY_MS = 3_600_000;
/** The machines that wait for a server that was just started go first. */
const FIRST_AFTER_MS = 600_000;

export type DoctorReport = {
  readonly atMs: number;
  readonly tookMs: number;
  /** How many lines say "warn" or "fail". */
  readonly problems: number;
  readonly lines: readonly DoctorLine[];
};

type DoctorOptions = {
  readonly checks: readonly Check[];
  readonly db: Database;
  readonly events: EventLog;
  readonly log: Logger;
  readonly now: () => number;
  readonly deadlineMs?: number;
};

/** Looks whether all is well, now and every hour, and tells when that changes. */
export class Doctor {
  readonly #options: DoctorOptions;
  #last: DoctorReport | undefined;
  #running: Promise<DoctorReport> | undefined;

  constructor(options: DoctorOptions) {
    this.#options = options;
  }

  /** Undefined until the first look is over. */
  get last(): DoctorReport | undefined {
    return this.#last;
  }

  /** Looks now. Who asks while a look is under way gets that one. */
  examine(): Promise<DoctorReport> {
    this.#running ??= this.#examine().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** From now on every hour. */
  start(): { stop(): Promise<void> } {
    const { log } = this.#options;
    const look = () => void this.examine().catch((error) => log.error({ err: error }, "the doctor failed"));
    let timer = setTimeout(() => {
      look();
      timer = setInterval(look, EVERY_MS).unref();
    }, FIRST_AFTER_MS).unref();
    return {
      stop: async () => {
        clearTimeout(timer);
        await this.#running?.catch(() => undefined);
      },
    };
  }

  async #examine(): Promise<DoctorReport> {
    const { checks, now, deadlineMs = DOCTOR_WITHIN_MS } = this.#options;
    const startedMs = performance.now();
    const lines = await runChecks(checks, deadlineMs);
    const tookMs = Math.round(performance.now() - startedMs);
    this.#last = { atMs: now(), tookMs, problems: lines.filter(isProblem).length, lines };
    await this.#tell(lines);
    return this.#last;
  }

  /** One event when other problems are there than were told last, also by a server before this one. */
  async #tell(lines: readonly DoctorLine[]): Promise<void> {
    const { log, events } = this.#options;
    const problems = lines.filter(isProblem);
    const before = await this.#toldBefore();
    // What could not be seen this time is neither better nor worse.
    const unseen = new Set(lines.filter(({ status }) => status === "skip").map(({ probe }) => probe));
    const names = new Set(problems.map(({ probe }) => probe));
    const appeared = problems.filter(({ probe }) => !before.includes(probe));
    const gone = before.filter((probe) => !names.has(probe) && !unseen.has(probe));
    if (appeared.length === 0 && gone.length === 0) return;
    for (const { probe, detail, fix } of appeared) log.warn({ probe, fix }, detail);
    const told = [...new Set([...names, ...before.filter((probe) => !gone.includes(probe))])];
    await events.change(({ record }) =>
      record({
        kind: "doctor.changed",
        data: { problems: told, appeared: appeared.map(({ area: _, code: __, ...line }) => line), gone },
      }),
    );
  }

  async #toldBefore(): Promise<string[]> {
    const row = await this.#options.db
      .selectFrom("events")
      .select("data")
      .where("kind", "=", "doctor.changed")
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? [] : (JSON.parse(row.data) as { problems: string[] }).problems;
  }
}

/** For `/metrics`; nothing before the first look. */
export function doctorMetrics(report: DoctorReport | undefined): string {
  if (report === undefined) return "";
  const count = (wanted: string) => report.lines.filter(({ status }) => status === wanted).length;
  return [
    "# HELP bootcast_problems What the last look of the doctor found, by how bad it is.",
    "# TYPE bootcast_problems gauge",
    `bootcast_problems{status="fail"} ${count("fail")}`,
    `bootcast_problems{status="warn"} ${count("warn")}`,
    "# HELP bootcast_doctor_timestamp_seconds When that was.",
    "# TYPE bootcast_doctor_timestamp_seconds gauge",
    `bootcast_doctor_timestamp_seconds ${report.atMs / 1000}`,
    "",
  ].join("\n");
}
