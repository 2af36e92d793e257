import { createInterface } from "node:readline/promises";
import { Fault } from "../../fault.ts";
import { outputOptions } from "../terminal/output.ts";
import type { RestoreOutput } from "./screen.ts";

/** Asks a person; an empty answer when there is none. */
export type Ask = (question: string) => Promise<string>;

/**
 * asr's question. Nothing but "y" or "yes" goes on.
 *
 * @param title the target in a person's words
 * @param ask default: on this process's terminal
 * @throws {Fault} CONFIRM_MISSING when nobody may be asked, CONFIRM_WRONG
 */
export async function askToErase(
  { noprompt, target }: { readonly noprompt?: boolean; readonly target: string },
  output: RestoreOutput,
  title: string,
  ask: Ask = askHere,
): Promise<void> {
  if (noprompt === true) return;
  const { input, json } = outputOptions();
  if (!input || json) {
    throw new Fault("CONFIRM_MISSING", {
      what: `${target} was not erased, because nobody confirmed it.`,
      why: "--no-input or --json forbids to ask.",
      fix: "Add --noprompt when you are sure.",
    });
  }
  if (/^\s*y(es)?\s*$/i.test(await ask(output.question(title)))) return;
  throw new Fault("CONFIRM_WRONG", {
    what: `${target} was not erased.`,
    why: "The question was not answered with y.",
    fix: "Start again and answer y, or add --noprompt.",
  });
}

async function askHere(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    return await Promise.race([terminal.question(question), closed]);
  } finally {
    terminal.close();
  }
}
