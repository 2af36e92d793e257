import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "./client/backoff.ts";
import type { OrderScript, ScriptResult } from "./contract.ts";

/** What is kept of what a script says: its end, where the reason stands. */
const MOST_OUTPUT_BYTES = 16 * 1024;
/** After the polite signal. */
const KILL_AFTER_MS = 2000;

export type ScriptMachine = {
  readonly clock: Clock;
  /** A directory of the agent's own, where programs may run. */
  readonly directory: string;
  /** Called every two seconds while a script runs. */
  readonly onProgress?: () => void;
};

const TELL_EVERY_MS = 2000;

/**
 * Runs one script of an order by the boot image's own shell, in the agent's own system. Whatever it started and left
 * running ends with it.
 *
 * @param variables what it is told of the host, by name
 * @param signal aborted: it is ended
 * @returns how it ended; that it failed is no fault here
 */
export async function runScript(
  script: OrderScript,
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
  machine: ScriptMachine,
): Promise<ScriptResult> {
  const { clock, directory, onProgress } = machine;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "script");
  await writeFile(path, script.text, { mode: 0o700 });
  const startedAtMs = clock.now();
  const telling = onProgress === undefined ? undefined : setInterval(onProgress, TELL_EVERY_MS);
  try {
    const { ended, code, output } = await ran(path, directory, variables, script.mostSeconds * 1000, signal);
    const seconds = Math.round((clock.now() - startedAtMs) / 1000);
    return { name: script.name, ended, code, seconds, output };
  } finally {
    clearInterval(telling);
    await rm(path, { force: true });
  }
}

type Ended = Pick<ScriptResult, "ended" | "code" | "output">;

function ran(
  path: string,
  directory: string,
  variables: Readonly<Record<string, string>>,
  mostMs: number,
  signal: AbortSignal,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env["PATH"] ?? "", HOME: "/root", LC_ALL: "C", ...variables };
    // A group of its own: what it started is ended with it.
    const child = spawn("sh", [path], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let kept = Buffer.alloc(0);
    let ended: ScriptResult["ended"] = "exited";
    const hear = (bytes: Buffer) => {
      kept = Buffer.concat([kept, bytes]);
      if (kept.length > 2 * MOST_OUTPUT_BYTES) kept = Buffer.from(kept.subarray(-MOST_OUTPUT_BYTES));
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const killGroup = (how: NodeJS.Signals) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // All of it has ended already.
      }
    };
    let hardEnd: NodeJS.Timeout | undefined;
    let letGo: NodeJS.Timeout | undefined;
    const end = (why: ScriptResult["ended"]) => {
      ended = why;
      killGroup("SIGTERM");
      hardEnd ??= setTimeout(() => killGroup("SIGKILL"), KILL_AFTER_MS);
    };
    const timer = setTimeout(() => end("timed out"), mostMs);
    const stop = () => end("stopped");
    signal.addEventListener("abort", stop, { once: true });
    const over = () => {
      clearTimeout(timer);
      clearTimeout(hardEnd);
      clearTimeout(letGo);
      signal.removeEventListener("abort", stop);
    };
    child.once("error", (error) => {
      over();
      reject(error);
    });
    // What it left running in the background would hold the pipes open, and the volume.
    child.once("exit", () => {
      killGroup("SIGKILL");
      // A program that left the group (setsid, a daemon) still holds them, and nobody waits for that one.
      letGo = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, KILL_AFTER_MS);
    });
    child.once("close", (code) => {
      over();
      resolve({ ended, code, output: textOf(kept) });
    });
    if (signal.aborted) stop();
  });
}

function textOf(bytes: Buffer): string {
  const text = bytes.subarray(-MOST_OUTPUT_BYTES).toString("utf8");
  // Nothing that moves a terminal's cursor or colours it goes to a screen or a report.
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "").trimEnd();
}

/** One line about a script's end, for the screen. */
export function scriptLine({ name, ended, code, seconds, output }: ScriptResult): string {
  const last = output.split("\n").at(-1) ?? "";
  const how = ended === "exited" ? (code === 0 ? "done" : `failed with code ${code ?? "none"}`) : ended;
  return `script ${name}: ${how} after ${seconds} s${last === "" ? "" : `: ${last}`}`;
}

export function hasSucceeded({ ended, code }: ScriptResult): boolean {
  return ended === "exited" && code === 0;
}
