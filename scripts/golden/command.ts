import { spawn } from "node:child_process";
import { Fault } from "../../fault.ts";

export type CommandOptions = {
  readonly timeoutMs: number;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
};

/**
 * Runs a program to its end and gives its standard output.
 *
 * @throws {Fault} GOLDEN_COMMAND_FAILED when it cannot start, fails or takes too long
 */
export async function command(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: options.env ?? process.env });
  const stdout: Buffer[] = [];
  const both: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => {
    stdout.push(bytes);
    both.push(bytes);
  });
  child.stderr.on("data", (bytes: Buffer) => both.push(bytes));
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  const ending = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`It could not be started: ${error.message}.`));
    child.once("close", (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(signal === null ? `Exit code ${code}.` : `Ended by ${signal}; it had ${options.timeoutMs} ms.`);
    });
  });
  clearTimeout(timer);
  if (ending === undefined) return Buffer.concat(stdout).toString("utf8");
  throw new Fault("GOLDEN_COMMAND_FAILED", {
    what: `"${[program, ...args].join(" ").slice(0, 200)}" failed while the golden disk was built.`,
    why: `${ending} It wrote: ${Buffer.concat(both).toString("utf8").trim().slice(-2_000)}`,
    fix: "The packages of scripts/lab/packages.txt must be installed, and the Debian mirror be reachable.",
  });
}
