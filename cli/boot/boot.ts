import { Command } from "commander";
import { examples } from "../terminal/output.ts";
import { bootScriptCommand } from "./script.ts";
import { bootTraceCommand } from "./trace.ts";

/** `bootcast boot …`: how machines boot. */
export function bootCommand(): Command {
  const command = new Command("boot").description("How machines boot: what they ask, and what they are given.");
  examples(command, [
    "bootcast boot trace                  # every packet of every machine, as it comes",
    "bootcast boot trace --host lab-07    # the last boot of one machine, and what comes",
    "bootcast boot script lab-07          # what one machine would be given now",
  ]);
  return command.addCommand(bootTraceCommand()).addCommand(bootScriptCommand());
}
