import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { formatDuration } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import type { ScriptListBody } from "../../server/api/script-routes.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

const DEFAULT_MOST_MS = 5 * 60_000;
const MOST_MS = 86_400_000;

type OwnerOptions = { readonly image?: string; readonly group?: string };

/** `bootcast script …`: a person's own scripts, which run on a host when its disk is restored. */
export function scriptCommand(): Command {
  const command = new Command("script").description(
    "Scripts that run on a host when its disk is restored and named, as root of the boot image's own Linux.",
  );
  examples(command, [
    "bootcast script set licence.sh --image lab-debian",
    "bootcast script set printers.sh --group room-5 --most 2m",
    "bootcast script list",
    "bootcast script remove licence.sh --image lab-debian",
    "bootcast host group room-5 lab-07 lab-08     # the hosts of that group",
  ]);
  return command.addCommand(setCommand()).addCommand(listCommand()).addCommand(removeCommand());
}

function setCommand(): Command {
  const command = new Command("set").description(
    "Sets a script for /bin/sh. It is told BOOTCAST_ROOT (where the restored system is mounted), BOOTCAST_HOST_NAME, " +
      "BOOTCAST_MAC, BOOTCAST_IMAGE, BOOTCAST_DISK and BOOTCAST_VOLUME. When it fails, the host has failed.",
  );
  examples(command, [
    "bootcast script set licence.sh --image lab-debian",
    "bootcast script set printers.sh --group room-5 --most 2m --name 10-printers",
  ]);
  return ownerOptions(configOptions(globalOptions(command)))
    .argument("<file>", "the script")
    .option("--name <name>", "what it is called, and where it comes among others (default: the file's name)")
    .option("--most <time>", "it is ended then (default: 5m)", duration({ leastMs: 1000, mostMs: MOST_MS }))
    .action(async (file: string, options: OwnerOptions & { name?: string; most?: number }) => {
      const path = pathOf(options, options.name ?? basename(file));
      const text = await readScript(file);
      const mostSeconds = Math.ceil((options.most ?? DEFAULT_MOST_MS) / 1000);
      await withServer(command, async (api) => {
        await api.put(path, { text, mostSeconds });
        printResult(
          { path, mostSeconds },
          () => `It runs with the next order, ${formatDuration(mostSeconds * 1000)} at most.`,
        );
      });
    });
}

function listCommand(): Command {
  const command = new Command("list").description("Lists all scripts in the order in which they run.");
  examples(command, ["bootcast script list", "bootcast script list --json | jq -r '.scripts[0].script.text'"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<ScriptListBody>("/api/v1/scripts"), ({ scripts }) => {
        if (scripts.length === 0) return "There are no scripts: bootcast script set FILE --image NAME";
        const rows = scripts.map(({ kind, name, script }) => [
          script.name,
          `${kind} ${name}`,
          formatDuration(script.mostSeconds * 1000),
          `${script.text.split("\n").length} lines`,
        ]);
        return table([["NAME", "FOR", "AT MOST", "LENGTH"], ...rows]);
      });
    }),
  );
}

function removeCommand(): Command {
  const command = new Command("remove").description("Removes a script; orders that are under way keep it.");
  examples(command, ["bootcast script remove licence.sh --image lab-debian"]);
  return ownerOptions(configOptions(globalOptions(command)))
    .argument("<name>", "the script's name")
    .action((name: string, options: OwnerOptions) =>
      withServer(command, async (api) => {
        printResult(await api.delete(pathOf(options, name)), () => `${name} is removed.`);
      }),
    );
}

function ownerOptions(command: Command): Command {
  return command
    .option("--image <image>", "for each host that is given this image")
    .option("--group <group>", "for each host of this group");
}

function pathOf({ image, group }: OwnerOptions, script: string): string {
  if ((image === undefined) === (group === undefined)) {
    throw usage("A script is for an image or for a group.", "Give either --image or --group.");
  }
  const owner = image === undefined ? ["group", group ?? ""] : ["image", image];
  return `/api/v1/scripts/${[...owner, script].map(encodeURIComponent).join("/")}`;
}

async function readScript(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new Fault(
      "SCRIPT_INVALID",
      {
        what: `The script ${file} cannot be read.`,
        why: error instanceof Error ? error.message : String(error),
        fix: "Give the path of a text file for /bin/sh.",
      },
      error,
    );
  }
}

function usage(what: string, fix: string): Fault {
  return new Fault("USAGE", { what, why: "The command would not know what is meant.", fix });
}
