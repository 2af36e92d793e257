import type { Command } from "commander";
import { commands } from "../../cli/commands.ts";

/** Every command with its help, as one document. */
export async function commandReference(): Promise<string> {
  const parts = await Promise.all(commands.map(async ({ name, load }) => partOf(await load(), "bootcast", name)));
  return [
    "# Commands",
    "",
    "What `bootcast COMMAND --help` prints, for reading. Every command also takes `--json`, `--quiet` and `--no-input`.",
    "Exit codes: 0 done, 1 failed, 2 usage, 3 some hosts failed, 5 refused by a safety check, 10 server not reachable,",
    "11 not permitted, 130 interrupted.",
    "",
    ...parts,
  ].join("\n");
}

function partOf(command: Command, parent: string, name: string): string {
  const full = `${parent} ${name}`;
  const lines = helpOf(command)
    .split("\n")
    .map((line) => `    ${line}`.trimEnd());
  const verbs = command.commands.map((verb) => partOf(verb, full, verb.name()));
  return [`## ${full}`, "", ...lines, "", ...verbs].join("\n");
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 84,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  // The program itself is not there when a command is loaded by itself.
  return text.trim().replace(/^Usage: /m, "Usage: bootcast ");
}
