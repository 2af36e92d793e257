import { Argument, Command } from "commander";
import type { CommandEntry } from "../command-entry.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { bashCompletion } from "./bash.ts";
import { commandTree } from "./command-tree.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** `bootcast completion SHELL`: what makes a shell know our commands. */
export function completionCommand(commands: readonly CommandEntry[]): Command {
  const command = new Command("completion").description(
    "Prints what makes a shell complete bootcast's commands and options with the Tab key.",
  );
  examples(command, [
    "source <(bootcast completion bash)                       # in this shell",
    "bootcast completion bash | sudo tee /etc/bash_completion.d/bootcast",
    "bootcast completion zsh | sudo tee /usr/share/zsh/vendor-completions/_bootcast",
    "bootcast completion fish > ~/.config/fish/completions/bootcast.fish",
  ]);
  return globalOptions(command)
    .addArgument(new Argument("<shell>", "whose").choices(Object.keys(shells)))
    .action(async (shell: keyof typeof shells) => {
      const script = shells[shell](await commandTree(commands));
      printResult({ shell, script }, () => script);
    });
}
