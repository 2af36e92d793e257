import { type Command, Option } from "commander";
import { commonOption } from "../terminal/help-layout.ts";

/** Adds `--data-dir` and `--config`: for commands that are about this machine alone. */
export function ownOptions(command: Command): Command {
  commonOption(command, "--data-dir <dir>", "where images, keys and the database are (BOOTCAST_DATA_DIR)");
  return commonOption(command, "--config <file>", "configuration file (BOOTCAST_CONFIG)");
}

/** The same for commands that would be given to a server elsewhere, if they could be: they say why they are not. */
export function hereOptions(command: Command): Command {
  ownOptions(command);
  for (const flags of ["--server <url>", "--token-file <file>"]) command.addOption(new Option(flags).hideHelp());
  return command;
}

/** The same with `--server` and `--token-file`: for commands that speak with a server. */
export function configOptions(command: Command): Command {
  ownOptions(command);
  commonOption(command, "--server <url>", "a server on another machine (BOOTCAST_SERVER); needs --token-file");
  return commonOption(
    command,
    "--token-file <file>",
    'what "bootcast token add --out" wrote there (BOOTCAST_TOKEN_FILE)',
  );
}

/** Adds `--store-key`: for commands that read or write the packs of the store. */
export function storeKeyOption(command: Command): Command {
  return commonOption(
    command,
    "--store-key <file>",
    "the key file of a sealed store (images.store_key, BOOTCAST_IMAGES_STORE_KEY)",
  );
}

/** Adds `--set KEY=VALUE`, which may be repeated: for commands that act on the whole configuration. */
export function setOption(command: Command): Command {
  return command.option(
    "--set <key=value>",
    "one setting by its name in the file, like http.port=8000; may be repeated",
    (given: string, before: string[]) => [...before, given],
    [] as string[],
  );
}
