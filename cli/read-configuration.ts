import { resolve } from "node:path";
import type { Command } from "commander";
import { Fault } from "../fault.ts";
import { type Config, loadConfig } from "../server/config.ts";

/**
 * The effective configuration of the command that runs: its flags, the environment, the file, the defaults.
 *
 * @throws {Fault} USAGE for a `--set` without "=", and what `loadConfig` throws
 */
export function configOf(command: Command): Config {
  const {
    dataDir,
    config,
    storeKey,
    set = [],
  } = command.optsWithGlobals<{ dataDir?: string; config?: string; storeKey?: string; set?: string[] }>();
  const flags: Record<string, string> = {};
  for (const pair of set) {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw new Fault("USAGE", {
        what: `--set ${pair} was not understood.`,
        why: "It has no key before, or no value after, an equals sign.",
        fix: "Write it like --set http.port=8000.",
      });
    }
    flags[pair.slice(0, at)] = pair.slice(at + 1);
  }
  if (dataDir !== undefined) flags["data_dir"] = dataDir;
  if (storeKey !== undefined) flags["images.store_key"] = resolve(storeKey);
  return loadConfig({ flags, env: process.env, file: config });
}

/** The data directory alone, for commands that have no `--config` of ours. */
export function dataDirOf(flag: string | undefined): string {
  const flags: Record<string, string> = flag === undefined ? {} : { data_dir: flag };
  return loadConfig({ flags, env: process.env, file: undefined }).dataDir;
}

/** The path of the store's key file alone, for the same commands; undefined when none is set. */
export function storeKeyOf(flag: string | undefined): string | undefined {
  const flags: Record<string, string> = flag === undefined ? {} : { "images.store_key": resolve(flag) };
  return loadConfig({ flags, env: process.env, file: undefined }).values["images.store_key"];
}
