import { Command } from "commander";
import type { HostBody } from "../../server/api/host-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";

/** `bootcast host set`: what holds for one host at every order. */
export function hostSetCommand(): Command {
  const command = new Command("set").description(
    'Sets which disk of a host is erased when an order says nothing of it. The word "default" takes it back.',
  );
  examples(command, [
    'bootcast host set lab-07 --disk "serial=S21PNXAG123456A"',
    'bootcast host set lab-07 --disk "smallest transport=nvme|sata"',
    'bootcast host set lab-07 --disk "path=pci-0000:00:1f.2-ata-1 size=200G..2T"',
    "bootcast host set lab-07 --disk default      # as the setting hosts.disk says",
  ]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .requiredOption("--disk <rule>", 'a rule for choosing a disk, or "default"')
    .action((word: string, { disk }: { disk: string }) =>
      withServer(command, async (api) => {
        const path = `/api/v1/hosts/${encodeURIComponent(word)}`;
        const host = await api.patch<HostBody>(path, { diskRule: disk === "default" ? null : disk });
        printResult(host, ({ name, diskRule }) =>
          diskRule === null
            ? `The disk of ${name} is chosen as for every host.`
            : `The disk of ${name} is chosen by: ${diskRule}`,
        );
      }),
    );
}
