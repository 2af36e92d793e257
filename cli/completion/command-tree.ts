import type { Command } from "commander";
import type { CommandEntry } from "../command-entry.ts";
import { summaryOf } from "../terminal/help-layout.ts";

/** What a shell needs to know of a command. */
export type CommandNode = {
  /** The words up to it: "", "host", "host list". */
  readonly path: string;
  readonly verbs: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionNode[];
  /** It takes something that is no verb and may be a file. */
  readonly takesFiles: boolean;
};

export type OptionNode = {
  /** "--json" */
  readonly long: string;
  readonly summary: string;
  /** What follows it: nothing, one of some words, a file, or something that only the person knows. */
  readonly value: "none" | "file" | "other" | readonly string[];
};

/** Every command with what can stand behind it, parents first. */
export async function commandTree(entries: readonly CommandEntry[]): Promise<CommandNode[]> {
  const loaded = await Promise.all(entries.map(async ({ load, summary }) => (await load()).summary(summary)));
  const root: CommandNode = {
    path: "",
    verbs: entries.map(({ name, summary }) => ({ name, summary })),
    options: [help, { long: "--version", summary: "print the version", value: "none" }],
    takesFiles: false,
  };
  return [root, ...loaded.flatMap((command) => nodesOf(command, ""))];
}

const help: OptionNode = { long: "--help", summary: "examples, and every option", value: "none" };

function nodesOf(command: Command, parent: string): CommandNode[] {
  const path = `${parent} ${command.name()}`.trim();
  const node: CommandNode = {
    path,
    verbs: command.commands.map((verb) => ({ name: verb.name(), summary: summaryOf(verb).replace(/\.$/, "") })),
    options: [...command.options.filter(({ hidden }) => !hidden).flatMap(optionOf), help],
    takesFiles: command.registeredArguments.some((argument) => isFile(argument.name())),
  };
  return [node, ...command.commands.flatMap((verb) => nodesOf(verb, path))];
}

function optionOf({
  long,
  description,
  flags,
  argChoices,
  required,
  optional,
}: Command["options"][number]): OptionNode[] {
  if (long === undefined || long === null) return [];
  const [, placeholder = ""] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  const value = argChoices ?? (!required && !optional ? "none" : isFile(placeholder) ? "file" : "other");
  return [{ long, summary: description.split(/[.:;(]/, 1)[0]!.trim(), value }];
}

function isFile(placeholder: string): boolean {
  return /\b(file|dir|folder|path|source|target|disk)/i.test(placeholder);
}
