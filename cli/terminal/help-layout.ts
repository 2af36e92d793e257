import { type Command, Help, type HelpConfiguration, Option } from "commander";

/** Options that many commands have stand below those that one command is about. */
const COMMON = "Common options:";
/** As commander calls those of one command. */
const OWN = "Options:";

/** Adds an option that many commands have. */
export function commonOption(command: Command, flags: string, description: string): Command {
  return command.addOption(new Option(flags, description).helpGroup(COMMON));
}

/** How `--help` of a command and of its verbs is laid out: what it is about first, and one line for each verb. */
export function layHelpOut(command: Command): void {
  command.configureHelp(layout).addHelpOption(new Option("-h, --help", "show this").helpGroup(COMMON));
}

const layout: HelpConfiguration = {
  subcommandDescription: summaryOf,
  // What is empty, or a list with nothing in it, is no default that a person would give.
  optionDescription(option) {
    const text = new Help().optionDescription(option);
    return text.replace(/ \(default: (\[\]|"")\)$/, "").replace(/\(default: \["([^"]*)"\]\)$/, "(default: $1)");
  },
  groupItems(unsorted, visible, groupOf) {
    const groups = new Help().groupItems(unsorted, visible, groupOf);
    const common = groups.get(COMMON);
    if (!groups.delete(COMMON) || common === undefined) return groups;
    // "--help" alone is no group of its own.
    if (common.length > 1) groups.set(COMMON, common);
    else groups.set(OWN, [...(groups.get(OWN) ?? []), ...common]);
    return groups;
  },
};

/** A command in one line: its summary, or the first sentence of what is said of it. */
export function summaryOf(command: Command): string {
  if (command.summary() !== "") return command.summary();
  const text = command.description();
  return /^.*?\.(?=\s|$)/s.exec(text)?.[0].replaceAll(/\s+/g, " ") ?? text;
}
