import { Command, CommanderError } from "commander";
import { Fault } from "../fault.ts";
import { commands } from "./commands.ts";
import { layHelpOut } from "./terminal/help-layout.ts";
import { Exit, fail, firstExample } from "./terminal/output.ts";
import { VERSION } from "./version.ts";

/**
 * Runs `bootcast` with the words after the program's name.
 *
 * Only the file of the command that was asked for is loaded, so `bootcast version`
 * does not wait for the server's packages.
 */
export async function main(given: readonly string[]): Promise<void> {
  process.stdout.on("error", endOfPipe);
  process.stderr.on("error", endOfPipe);
  const words = given[0] === "asr" ? await wordsOfAsr(given.slice(1)) : given;
  if (words === undefined) return;
  const program = new Command("bootcast")
    .description("Boots a whole room of machines off the network and re-images all of them from one multicast stream.")
    .version(VERSION, "-V, --version", "print the version")
    .addHelpText("before", firstExamples)
    .addHelpText("after", '\n"bootcast COMMAND --help" starts with examples of that command.');
  const plain = words.filter((word) => !word.startsWith("-"));
  const [first, second] = plain;
  const wanted = first === "help" ? second : first;
  program.addHelpCommand(
    new Command("help").argument("[command]").description("show how a command is used").helpGroup("This program:"),
  );
  for (const { name, group, summary, load } of commands) {
    const command =
      name === wanted
        ? (await load(name === first ? second : undefined)).summary(summary)
        : new Command(name).summary(summary).description(summary).allowUnknownOption();
    program.addCommand(command.helpGroup(`${group}:`));
  }
  obey(program);
  try {
    if (words.length === 0) program.help();
    await program.parseAsync([...words], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error);
    if (error.exitCode === 0) return;
    // "commander.help": a command group without a verb has already shown its help.
    if (error.code !== "commander.help")
      fail(usageFault(mistypedOption(program, words, error) ?? error, program, plain));
    process.exitCode = Exit.usage;
  }
}

/** asr's words have one dash where ours have two, so they are said anew before they are read. */
async function wordsOfAsr(given: readonly string[]): Promise<readonly string[] | undefined> {
  try {
    return await (await import("./asr/asr.ts")).asrWords(given);
  } catch (error) {
    fail(error);
  }
}

const firstExamples = `Examples:
  $ sudo bootcast setup                                 make this machine a server
  $ bootcast image import golden.raw --name lab-debian  make an image of a disk
  $ bootcast host list                                  who has booted from the network
  $ bootcast deploy lab-debian --to lab-01 --plan       see what would be erased
  $ bootcast session watch                              follow it
`;

/** Makes commander throw instead of ending the process, so that errors have one shape and one exit code. */
function obey(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  command.showSuggestionAfterError(true);
  layHelpOut(command);
  for (const child of command.commands) obey(child);
}

/** The command that the plain words name, as deep as they go. */
function commandOf(program: Command, plain: readonly string[]): Command {
  let found = program;
  for (const word of plain) {
    const next = found.commands.find((command) => command.name() === word);
    if (next === undefined) return found;
    found = next;
  }
  return found;
}

/** Commander says that "--source" is missing where "--sorce" was written; the misspelling is the better message. */
function mistypedOption(program: Command, words: readonly string[], error: CommanderError): CommanderError | undefined {
  if (error.code !== "commander.missingMandatoryOptionValue") return undefined;
  const command = commandOf(
    program,
    words.filter((word) => !word.startsWith("-")),
  );
  const flags = words.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0]!);
  const unknown = flags.find((flag) => flag !== "--" && !command.options.some(({ long }) => long === flag));
  if (unknown === undefined) return undefined;
  try {
    // Not in its types: throws the error that it would have thrown next, with its suggestion.
    (command as unknown as { unknownOption(flag: string): void }).unknownOption(unknown);
  } catch (better) {
    if (better instanceof CommanderError) return better;
    throw better;
  }
  return undefined;
}

function usageFault(error: CommanderError, program: Command, plain: readonly string[]): Fault {
  const [what = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const names: string[] = [];
  const found = commandOf(program, plain);
  for (let command: Command | null = found; command !== null; command = command.parent) {
    names.unshift(command.name());
  }
  const about = names.join(" ");
  // What is missing is seen at once beside how it is given.
  const isMissing = /missing|not specified/.test(error.message) && firstExample(found) !== "";
  const example = isMissing ? `For example: ${firstExample(found)}. ` : "";
  const help = `${example}"${about} --help" shows what can be given, with examples.`;
  return new Fault("USAGE", {
    what: `The command line was not understood: ${what.replace(/\.$/, "")}.`,
    why: "Nothing was done.",
    fix: suggestion === undefined ? help : `${suggestion.replace(/^\(|\)$/g, "")} ${help}`,
  });
}

/** `bootcast … | head` is no error: whoever read has seen enough. */
function endOfPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(Exit.done);
  throw error;
}

if (import.meta.main) void main(process.argv.slice(2));
