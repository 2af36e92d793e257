import { Command } from "commander";
import type { BootScriptBody } from "../../server/api/boot-script-routes.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";

/** `bootcast boot script`: what a machine would be given now, as iPXE or GRUB reads it. */
export function bootScriptCommand(): Command {
  const command = new Command("script").description("Shows the boot script that a machine would be given now.");
  examples(command, [
    "bootcast boot script lab-07                     # as iPXE reads it",
    "bootcast boot script 52:54:00:12:34:56 --grub   # as GRUB does; also for a machine that is no host yet",
  ]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .option("--grub", "GRUB's configuration instead of iPXE's script")
    .action((host: string, options: { grub?: boolean }) =>
      withServer(command, async (api) => {
        const query = new URLSearchParams({ host, reader: options.grub === true ? "grub" : "ipxe" });
        const body = await api.get<BootScriptBody>(`/api/v1/boot/script?${query}`);
        printResult(body, () => body.text.trimEnd());
      }),
    );
}
