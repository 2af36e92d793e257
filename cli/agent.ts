import { Command } from "commander";
import { startAgent } from "../agent/start.ts";
import { examples, globalOptions } from "./output.ts";

/** `bootcast agent`: what the boot image runs. Refuses to run anywhere else. */
export function agentCommand(): Command {
  const command = new Command("agent").description(
    "Re-images this machine on a server's order. Runs inside the boot image only, where it starts by itself.",
  );
  examples(command, ["bootcast agent  # inside the boot image"]);
  return globalOptions(command).action(async () => {
    process.exitCode = await startAgent();
  });
}
