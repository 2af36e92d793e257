import { Command } from "commander";
import type { HostLogBody } from "../../server/api/host-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { logText } from "./log-text.ts";

/** `bootcast host log`: what a host's agent wrote down. */
export function hostLogCommand(): Command {
  const command = new Command("log").description(
    "Prints the end of what a host's agent wrote down: its tools, its disks and what went wrong. The agent sends it when it is through, or when it fails.",
  );
  examples(command, ["bootcast host log lab-07", "bootcast host log lab-07 --json | jq -r .log.log"]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .action((word: string) =>
      withServer(command, async (api) => {
        const path = `/api/v1/hosts/${encodeURIComponent(word)}/log`;
        printResult(await api.get<{ log: HostLogBody | null }>(path), ({ log }) => logText(word, log));
      }),
    );
}
