import { execFile } from "node:child_process";
import { basename } from "node:path";
import { Fault } from "../../fault.ts";

/** Runs the disk tools of the boot image. Always a list of arguments, never a shell. */
export type Tools = {
  /**
   * @param timeoutMs the tool is killed then; every wait has an end
   * @param goneWithinMs how long a killed tool may take to end: one that the kernel works for ends when that is through
   * @returns what the tool printed on stdout
   * @throws {Fault} TOOL_MISSING, TOOL_TIMEOUT, TOOL_FAILED; TOOL_STUCK when it was killed and is still there: what it
   * asked the kernel for may happen yet
   */
  run(command: string, args: readonly string[], options: ToolOptions): Promise<string>;
};

type ToolOptions = { readonly timeoutMs: number; readonly goneWithinMs?: number };

const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;
/** A gibibyte that a slow disk is zeroing takes minutes, and a disk that does not answer is given up after some. */
const GONE_WITHIN_MS = 15 * 60_000;

/** Those on the PATH of the boot image. */
export const tools: Tools = toolsFrom(execFile);

/** @param start how a program is started */
export function toolsFrom(start: typeof execFile): Tools {
  return {
    run(command, args, { timeoutMs, goneWithinMs = GONE_WITHIN_MS }) {
      const words = [command, ...args];
      return new Promise((resolve, reject) => {
        // Its messages are read by programs here: no translations.
        const env = { ...process.env, LC_ALL: "C" };
        const child = start(command, [...args], { maxBuffer: MOST_OUTPUT_BYTES, env }, (error, stdout, stderr) => {
          clearTimeout(timer);
          if (error === null) resolve(stdout);
          else reject(toolFault(words, error, stderr));
        });
        const giveUp = (fault: Fault) => {
          clearTimeout(timer);
          reject(fault);
          child.stdout?.destroy();
          child.stderr?.destroy();
          child.unref();
        };
        let timer = setTimeout(() => {
          child.kill("SIGKILL");
          const late = () => giveUp(timeoutFault(words, timeoutMs));
          // Where it has gone, and something that it started holds its output open, nothing more is waited for.
          if (child.exitCode !== null || child.signalCode !== null) return late();
          child.once("exit", late);
          timer = setTimeout(() => giveUp(stuckFault(words, timeoutMs + goneWithinMs)), goneWithinMs);
        }, timeoutMs);
        // A tool that asks a question gets the end of its input instead of a person.
        child.stdin?.on("error", () => undefined);
        child.stdin?.end();
      });
    },
  };
}

function timeoutFault([command = "", ...args]: readonly string[], timeoutMs: number): Fault {
  return new Fault("TOOL_TIMEOUT", {
    what: `${basename(command)} did not end within ${timeoutMs / 1000} s and was stopped.`,
    why: `The command was: ${[command, ...args].join(" ")}`,
    fix: "Look at the kernel's messages: a disk that does not answer is the usual cause.",
  });
}

function stuckFault([command = "", ...args]: readonly string[], afterMs: number): Fault {
  return new Fault("TOOL_STUCK", {
    what: `${basename(command)} was stopped, and has not ended after ${Math.round(afterMs / 1000)} s.`,
    why: `The kernel still works on what it asked for, and cannot be interrupted. The command was: ${[command, ...args].join(" ")}`,
    fix: "Switch the machine off and on. A disk that does not answer is the usual cause: check it and its cable (smartctl -a).",
  });
}

function toolFault(words: readonly string[], error: Error & { code?: string | number | null }, stderr: string): Fault {
  const line = words.join(" ");
  const name = basename(words[0] ?? "");
  if (error.code === "ENOENT") {
    return new Fault("TOOL_MISSING", {
      what: `The program ${name} is not there.`,
      why: `The agent wanted to run: ${line}`,
      fix: 'Build the boot image again ("bootcast boot-image build").',
    });
  }
  const said = stderr.trim().split("\n").slice(-3).join(" ") || error.message.split("\n")[0];
  return new Fault(
    "TOOL_FAILED",
    {
      what: `${name} failed${typeof error.code === "number" ? ` with exit code ${error.code}` : ""}: ${said}`,
      why: `The command was: ${line}`,
      fix: "Look at the kernel's messages on this machine (dmesg).",
    },
    error,
  );
}
