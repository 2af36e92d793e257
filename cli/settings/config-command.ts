import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { type Config, DEFAULT_CONFIG_FILE, loadConfig } from "../../server/config/config.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { hereOptions, setOption } from "./configuration.ts";
import { configOf } from "./read-configuration.ts";

/** Settings whose value is not printed. */
const secret: readonly string[] = ["boot.menu_pin"];

/** `bootcast config …`: what is set, and where. */
export function configCommand(): Command {
  const command = new Command("config").description(
    "Shows the settings that are in effect, and checks a file of them.",
  );
  examples(command, [
    "bootcast config show                      # every setting and its value",
    "bootcast config show --origin --changed   # what somebody has set, and where",
    "bootcast config check /etc/bootcast.toml",
  ]);
  return command.addCommand(showCommand()).addCommand(checkCommand());
}

function showCommand(): Command {
  const command = new Command("show").description(
    "Prints every setting: flags, then environment, then file, then default.",
  );
  examples(command, ["bootcast config show", "bootcast config show --origin", "bootcast config show --changed --json"]);
  return setOption(hereOptions(globalOptions(command)))
    .option("--origin", "say where each value comes from")
    .option("--changed", "only those that are not a default")
    .action(({ origin = false, changed = false }: { origin?: boolean; changed?: boolean }) => {
      const settings = settingsOf(configOf(command)).filter((one) => !changed || one.origin !== "default");
      printResult({ settings }, () => {
        if (settings.length === 0) return "Nothing is set: every setting has its default.";
        return table(settings.map(({ name, value, origin: from }) => [name, shown(value), ...(origin ? [from] : [])]));
      });
    });
}

function checkCommand(): Command {
  const command = new Command("check").description(
    "Reads a configuration file as the server would, and says what is wrong with it. Exit code 2 when something is.",
  );
  examples(command, ["bootcast config check", "bootcast config check new.toml"]);
  return globalOptions(command)
    .argument("[file]", `the file (BOOTCAST_CONFIG, or ${DEFAULT_CONFIG_FILE})`)
    .action((file: string | undefined) => {
      const path = resolve(file ?? process.env["BOOTCAST_CONFIG"] ?? DEFAULT_CONFIG_FILE);
      if (path === DEFAULT_CONFIG_FILE && !existsSync(path)) {
        printResult(
          { file: path, ok: true, settings: [] },
          () => `There is no ${path}: every setting has its default.`,
        );
        return;
      }
      // The file alone: what somebody has in the environment does not make it right or wrong.
      const set = settingsOf(loadConfig({ file: path, env: {} })).filter(({ origin }) => origin === path);
      printResult(
        { file: path, ok: true, settings: set },
        () =>
          `${path} is right: ${set.length === 0 ? "it sets nothing" : `it sets ${set.map(({ name }) => name).join(", ")}`}.`,
      );
    });
}

type Shown = { readonly name: string; readonly value: unknown; readonly origin: string };

function settingsOf({ values, origins }: Config): Shown[] {
  return Object.entries(origins).map(([name, origin]) => {
    const value: unknown = values[name as keyof typeof values];
    const isHidden = secret.includes(name) && value !== undefined;
    return { name, value: isHidden ? "(not shown)" : (value ?? null), origin };
  });
}

function shown(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}
