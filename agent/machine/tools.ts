import { execFile } from "node:child_process";
import { basename } from "node:path";
import { Fault } from "../../fault.ts";

/** Runs the disk tools of the boot image. Always a list of arguments, never a shell. */
export type Tools = {
  /**
   * @param timeoutMs the tool is killed then; every wait has an end
   * @returns what the tool printed on stdout
   * @throws {Fault} TOOL_MISSING, TOOL_TIMEOUT, TOOL_FAILED
   */
  run(command: string, args: readonly string[], options: { timeoutMs: number }): Promise<string>;
};

const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Those on the PATH of the boot image. */
export const tools: Tools = {
  run(command, args, { timeoutMs }) {
    return new Promise((resolve, reject) => {
      const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: MOST_OUTPUT_BYTES } as const;
      // Its messages are read by programs here: no translations.
      const env = { ...process.env, LC_ALL: "C" };
      const child = execFile(command, [...args], { ...options, env }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(toolFault([command, ...args], error, stderr, timeoutMs));
      });
      // A tool that asks a question gets the end of its input instead of a person.
      child.stdin?.on("error", () => undefined);
      child.stdin?.end();
    });
  },
};

function toolFault(
  words: readonly string[],
  error: Error & { code?: string | number | null; killed?: boolean; signal?: string | null },
  stderr: string,
  timeoutMs: number,
): Fault {
  const line = words.join(" ");
  const name = basename(words[0] ?? "");
  if (error.code === "ENOENT") {
    return new Fault("TOOL_MISSING", {
      what: `The program ${name} is not there.`,
      why: `The agent wanted to run: ${line}`,
      fix: 'Build the boot image again ("bootcast boot-image build").',
    });
  }
  if (error.killed === true) {
    return new Fault("TOOL_TIMEOUT", {
      what: `${name} did not end within ${timeoutMs / 1000} s and was stopped.`,
      why: `The command was: ${line}`,
      fix: "Look at the kernel's messages: a disk that does not answer is the usual cause.",
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
