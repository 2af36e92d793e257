import { resolve } from "node:path";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { type Config, loadConfig } from "../../server/config/config.ts";
import { type RemoteServer, readTokenFile } from "../access/token-file.ts";
import { handOverAtExit } from "./hand-over.ts";

type RemoteFlags = { readonly server?: string; readonly tokenFile?: string };

/**
 * The server on another machine that the command is for; undefined: the one on this machine.
 *
 * @throws {Fault} USAGE for a server without a token, TOKEN_FILE_INVALID, TOKEN_EXPOSED
 */
export function remoteOf(command: Command): RemoteServer | undefined {
  const flags = command.optsWithGlobals<RemoteFlags & { dataDir?: string }>();
  const isLocal = flags.dataDir !== undefined && flags.server === undefined && flags.tokenFile === undefined;
  if (isLocal) return undefined;
  const url = flags.server ?? process.env["BOOTCAST_SERVER"];
  const path = flags.tokenFile ?? process.env["BOOTCAST_TOKEN_FILE"];
  if (path !== undefined) return readTokenFile(path, url);
  if (url === undefined) return undefined;
  throw new Fault("USAGE", {
    what: `Nothing says how to be let in at ${url}.`,
    why: "A server on another machine wants a token, and this command has none.",
    fix: 'Make one there ("bootcast token add NAME --out FILE"), copy it here, and give it with --token-file.',
  });
}

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
  } = command.optsWithGlobals<RemoteFlags & { dataDir?: string; config?: string; storeKey?: string; set?: string[] }>();
  if (isForElsewhere(command)) throw worksHere();
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
  const loaded = loadConfig({ flags, env: process.env, file: config });
  handOverAtExit(loaded.dataDir);
  return loaded;
}

/** Some commands have a `--server` of their own, which is something else. */
function isForElsewhere(command: Command): boolean {
  const { server, tokenFile } = command.optsWithGlobals<RemoteFlags>();
  const hasThem = command.options.some(({ long }) => long === "--token-file");
  return hasThem && (server !== undefined || tokenFile !== undefined);
}

function worksHere(): Fault {
  return new Fault("USAGE", {
    what: "This command cannot be given to a server on another machine.",
    why: "It works on the files of the data directory.",
    fix: "Run it on that machine, without --server and --token-file.",
  });
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
