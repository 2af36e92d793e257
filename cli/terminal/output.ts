import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { commonOption } from "./help-layout.ts";
import { safeText } from "./safe-text.ts";

/** What the exit code of every command means. Any other code means failure, too. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  someHostsFailed: 3,
  refused: 5,
  unreachable: 10,
  notPermitted: 11,
  interrupted: 130,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

/** Fault codes whose exit code is not 1. A command may name another one: `fail(error, Exit.refused)`. */
const exitOfFault: Readonly<Record<string, Exit>> = {
  USAGE: Exit.usage,
  CONFIG_INVALID: Exit.usage,
  CONFIG_MISSING: Exit.usage,
  ASR_CONFIG_INVALID: Exit.usage,
  ASR_OPTION: Exit.usage,
  GROUP_REFUSED: Exit.usage,
  IMAGE_NAME: Exit.usage,
  INTERFACE_UNCLEAR: Exit.usage,
  INTERFACE_UNKNOWN: Exit.usage,
  CONFIG_UNKNOWN: Exit.usage,
  CONFIG_SYNTAX: Exit.usage,
  CONFIRM_MISSING: Exit.refused,
  CONFIRM_WRONG: Exit.refused,
  ERASE_NOT_ORDERED: Exit.refused,
  HOST_LOCKED: Exit.refused,
  HOST_UNAPPROVED: Exit.refused,
  HOSTS_SKIPPED: Exit.refused,
  DISK_REFUSED: Exit.refused,
  SOURCE_IN_USE: Exit.refused,
  GROUP_TAKEN: Exit.refused,
  DATABASE_LEFT: Exit.refused,
  DATABASE_NOT_EMPTY: Exit.refused,
  DATABASE_ON_NETWORK_DISK: Exit.refused,
  WIFI_REFUSED: Exit.refused,
  FOLDER_REFUSED: Exit.refused,
  CLEAN_UP_UNKNOWN: Exit.usage,
  SERVER_UNREACHABLE: Exit.unreachable,
  SERVER_NOT_TRUSTED: Exit.refused,
  NOT_PERMITTED: Exit.notPermitted,
  LOGIN_NEEDED: Exit.notPermitted,
  ROLE_TOO_LOW: Exit.notPermitted,
  TFTP_NOT_PERMITTED: Exit.notPermitted,
  UDP_NOT_PERMITTED: Exit.notPermitted,
  INTERRUPTED: Exit.interrupted,
};

/** The options that every command has, as the command that runs now was given them. */
export type OutputOptions = { readonly json: boolean; readonly quiet: boolean; readonly input: boolean };

// Before a command runs (a typing error, for example) only the bare words are known.
let options: OutputOptions = {
  json: process.argv.includes("--json"),
  quiet: process.argv.includes("--quiet"),
  input: !process.argv.includes("--no-input"),
};

/** `--json`, `--quiet` and `--no-input` of the command that runs now. */
export function outputOptions(): OutputOptions {
  return options;
}

/** Adds `--json`, `--quiet` and `--no-input`, and makes `print`, `say` and `fail` follow them. */
export function globalOptions(command: Command): Command {
  commonOption(command, "--json", "print one JSON object instead of text");
  commonOption(command, "--quiet", "print results and errors only");
  commonOption(command, "--no-input", "never ask; refuse what would have needed an answer");
  return command.hook("preAction", (_, running) => {
    const given = running.optsWithGlobals<{ json?: boolean; quiet?: boolean; input?: boolean }>();
    options = { json: given.json === true, quiet: given.quiet === true, input: given.input !== false };
  });
}

/**
 * Puts examples at the top of `--help`, before anything else.
 *
 * @param lines one command line each; text after "  #" explains it
 */
export function examples(command: Command, lines: readonly string[]): Command {
  firstExamples.set(command, lines[0]?.split("  #")[0]?.trim() ?? "");
  return command.addHelpText("before", `Examples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`);
}

const firstExamples = new WeakMap<Command, string>();

/** How a command is given, for who gave it wrongly; empty when it has no examples. */
export function firstExample(command: Command): string {
  return firstExamples.get(command) ?? "";
}

/** Prints a result on stdout. */
export function print(text: string): void {
  process.stdout.write(safeText(text.endsWith("\n") ? text : `${text}\n`));
}

/** Prints a result: `value` as one JSON object with `--json`, otherwise what `text` makes of it. */
export function printResult<T>(value: T, text: (value: T) => string): void {
  print(options.json ? JSON.stringify(value) : text(value));
}

/** Prints a message for people on stderr; nothing with `--quiet` or `--json`. */
export function say(text: string): void {
  if (!options.quiet && !options.json) process.stderr.write(safeText(text.endsWith("\n") ? text : `${text}\n`));
}

/** The exit code that belongs to an error. */
export function exitOf(error: unknown): Exit {
  return exitOfFault[asFault(error).code] ?? Exit.failed;
}

/** Ends the process: prints the error on stderr (as JSON with `--json`) with its exit code. */
export function fail(error: unknown, exit: Exit = exitOf(error)): never {
  const fault = asFault(error);
  process.stderr.write(options.json ? `${JSON.stringify({ error: fault, exit })}\n` : faultText(fault));
  if (process.env["BOOTCAST_DEBUG"]) console.error(error);
  process.exit(exit);
}

/** The three lines that a person reads. */
export function faultText(fault: Pick<Fault, "code" | "what" | "why" | "fix">): string {
  const label = styleText("red", "error:", { stream: process.stderr });
  return safeText(`${label} ${fault.what} [${fault.code}]\n  why: ${fault.why}\n  fix: ${fault.fix}\n`);
}

/** Any thrown value as a Fault: what the operating system refuses is explained, the rest is our defect. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === "EACCES" || code === "EPERM") {
    return new Fault(
      "NOT_PERMITTED",
      { what: "The system did not permit this.", why: message, fix: "Run it as root (sudo) or as the user bootcast." },
      error,
    );
  }
  if (code !== undefined && /^E[A-Z]+$/.test(code)) {
    return new Fault(
      code,
      {
        what: "The operating system refused a step.",
        why: message,
        fix: "Check the path or device it names, and repeat.",
      },
      error,
    );
  }
  return new Fault(
    "UNEXPECTED",
    {
      what: "Something happened that bootcast does not expect.",
      why: message,
      fix: "Run it again with BOOTCAST_DEBUG=1 and report what it prints: this is a defect in bootcast.",
    },
    error,
  );
}

/**
 * Wants `name` typed before something that cannot be undone.
 *
 * @param given the value of `--confirm`, when there was one
 * @param doing what is about to happen, in words
 * @param others what may be typed as well
 * @throws {Fault} CONFIRM_MISSING when nobody can be asked, CONFIRM_WRONG when another word was typed
 */
export async function confirm(
  name: string,
  given: string | undefined,
  doing: { readonly does: string; readonly verb: string } = { does: "erases disks", verb: "erase" },
  others: readonly string[] = [],
): Promise<void> {
  let typed = given;
  if (typed === undefined) {
    if (!options.input || options.json || process.stdin.isTTY !== true) {
      throw new Fault("CONFIRM_MISSING", {
        what: "Nothing was done, because nobody confirmed it.",
        why: `This ${doing.does}, and there is no terminal to ask on (or --no-input or --json was given).`,
        fix: `Add --confirm ${name} when you are sure.`,
      });
    }
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      typed = await terminal.question(`Type "${name}" to ${doing.verb}: `);
    } finally {
      terminal.close();
    }
  }
  if (![name, ...others].includes(typed.trim())) {
    throw new Fault("CONFIRM_WRONG", {
      what: "Nothing was done.",
      why: `"${typed.trim()}" was given, and this needs "${name}".`,
      fix: `Check the plan with --plan, then give --confirm ${name}.`,
    });
  }
}
