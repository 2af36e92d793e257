import { Command } from "commander";
import type { WokenBody } from "../../server/api/host-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { namesOf } from "./care.ts";

/** `bootcast host wake`: Wake-on-LAN. */
export function hostWakeCommand(): Command {
  const command = new Command("wake").description(
    "Starts machines that are switched off (Wake-on-LAN): every card, in every network of the server and of hosts.wake_networks.",
  );
  examples(command, ["bootcast host wake lab-07", "bootcast host wake room-b label=kiosk"]);
  return configOptions(globalOptions(command))
    .argument("<hosts...>", "hosts, groups, label=…")
    .action((to: string[]) =>
      withServer(command, async (api) => {
        const woken = await api.post<WokenBody>("/api/v1/hosts/wake", { to });
        printResult(woken, ({ hosts, through }) => {
          const cards = hosts.flatMap(({ macs }) => macs).length;
          return `Sent for ${namesOf(hosts)} (${cards} ${cards === 1 ? "card" : "cards"}) through ${through.join(", ")}.`;
        });
        for (const problem of woken.problems) say(`Not sent through ${problem}`);
        say('No machine answers to it: its firmware must allow it, and a minute later "bootcast host list" shows it.');
      }),
    );
}
