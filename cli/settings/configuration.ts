import type { Command } from "commander";

/** Adds `--data-dir` and `--config`: for commands that are about this machine alone. */
export function ownOptions(command: Command): Command {
  return command
    .option("--data-dir <dir>", "where images, keys and the database are (BOOTCAST_DATA_DIR)")
    .option("--config <file>", "configuration file (BOOTCAST_CONFIG)");
}

/** The same with `--server` and `--token-file`. Commands that speak with a server obey them, others refuse. */
export function configOptions(command: Command): Command {
  return ownOptions(command)
    .option("--server <url>", "a server on another machine (BOOTCAST_SERVER); needs --token-file")
    .option("--token-file <file>", 'what "bootcast token add --out" wrote there (BOOTCAST_TOKEN_FILE)');
}

/** Adds `--store-key`: for commands that read or write the packs of the store. */
export function storeKeyOption(command: Command): Command {
  return command.option(
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
