import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import { ownOptions } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { readAccounts } from "./accounts.ts";
import { command as runCommand } from "./apply.ts";
import { strangersIn } from "./data-strangers.ts";
import { exampleConfig } from "./example-config.ts";
import { CONFIG_FILE, SERVICE, SYSCTL_FILE, SYSTEMD_RUNS, UNIT_FILE, USER } from "./places.ts";
import { MADE_BY_SETUP } from "./unit.ts";

/** Something that setup made. */
export type Removal =
  | { readonly do: "stop" }
  | { readonly do: "remove"; readonly path: string }
  | { readonly do: "data"; readonly path: string }
  | { readonly do: "user" };

export type UninstallFacts = {
  readonly texts: Readonly<Record<"config" | "unit" | "sysctl", string | undefined>>;
  readonly dataDir: string;
  readonly isDataThere: boolean;
  /** What lies there that is not ours, when it is no data directory. */
  readonly dataStrangers: readonly string[];
  readonly hasUser: boolean;
  readonly hasSystemd: boolean;
};

/** What setup made goes; what a person wrote, and the data, stay. */
export function planUninstall(facts: UninstallFacts): { removals: Removal[]; kept: string[] } {
  const { texts, dataDir, isDataThere, dataStrangers, hasUser, hasSystemd } = facts;
  const removals: Removal[] = [];
  const kept: string[] = [];
  const ours = (path: string, text: string | undefined, isOurs: (text: string) => boolean) => {
    if (text === undefined) return;
    if (isOurs(text)) removals.push({ do: "remove", path });
    else kept.push(`${path} (changed, or not made by setup)`);
  };
  const isMade = (text: string) => text.startsWith(MADE_BY_SETUP);
  if (hasSystemd && texts.unit !== undefined && isMade(texts.unit)) removals.push({ do: "stop" });
  ours(UNIT_FILE, texts.unit, isMade);
  ours(SYSCTL_FILE, texts.sysctl, isMade);
  ours(CONFIG_FILE, texts.config, (text) => text === exampleConfig());
  // Its number may become somebody else's: nothing is left that belongs to it.
  if (dataStrangers.length > 0) kept.push(`${dataDir} (no data directory of bootcast)`);
  else if (isDataThere) {
    if (hasUser) removals.push({ do: "data", path: dataDir });
    kept.push(dataText(dataDir));
  }
  if (hasUser) removals.push({ do: "user" });
  return { removals, kept };
}

const dataText = (dataDir: string) => `${dataDir} (images, keys, database)`;

/** `bootcast uninstall`: takes back what setup did. */
export function uninstallCommand(): Command {
  const command = new Command("uninstall").description(
    "Stops the service and takes away what setup made: unit, user, kernel settings, the configuration if nobody changed it. Images, keys and the database stay, and belong to root then.",
  );
  examples(command, ["sudo bootcast uninstall --dry-run", "sudo bootcast uninstall"]);
  return globalOptions(ownOptions(command))
    .option("--dry-run", "say what would be done, and do nothing")
    .action(async ({ dryRun = false }: { dryRun?: boolean }) => {
      if (!dryRun && process.getuid?.() !== 0) throw needsRoot();
      const { dataDir } = configOf(command);
      const hasSystemd = existsSync(SYSTEMD_RUNS);
      const { removals, kept } = planUninstall({
        texts: { config: textOf(CONFIG_FILE), unit: textOf(UNIT_FILE), sysctl: textOf(SYSCTL_FILE) },
        dataDir,
        isDataThere: existsSync(dataDir),
        dataStrangers: strangersIn(dataDir),
        hasUser: readAccounts().some(({ name }) => name === USER),
        hasSystemd,
      });
      for (const removal of removals) {
        if (!dryRun) await remove(removal);
        say(`${dryRun ? "Would " : ""}${told(removal, dryRun)}`);
      }
      if (hasSystemd && !dryRun) await runCommand("systemctl", ["daemon-reload"]);
      printResult({ dryRun, removals, kept }, () =>
        [
          removals.length === 0 ? "There was nothing that setup made." : dryRun ? "Nothing was changed." : "Done.",
          ...kept.map((name) => `Kept  ${name}`),
          ...(kept.includes(dataText(dataDir)) ? [`To remove that as well: sudo rm -r ${dataDir}`] : []),
        ].join("\n"),
      );
    });
}

async function remove(removal: Removal): Promise<void> {
  switch (removal.do) {
    case "stop":
      return runCommand("systemctl", ["disable", "--now", "--quiet", SERVICE]);
    case "remove":
      return rm(removal.path);
    case "data":
      return runCommand("chown", ["--recursive", "--no-dereference", "root:root", removal.path]);
    case "user":
      return runCommand("userdel", [USER]);
  }
}

function told(removal: Removal, isDry: boolean): string {
  const word = (done: string, would: string) => (isDry ? would : done);
  switch (removal.do) {
    case "stop":
      return `${word("Stopped", "stop")} ${SERVICE}`;
    case "remove":
      return `${word("Removed", "remove")} ${removal.path}`;
    case "data":
      return `${word("Gave", "give")} ${removal.path} to root`;
    case "user":
      return `${word("Removed", "remove")} user ${USER}`;
  }
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function needsRoot(): Fault {
  return new Fault("NOT_PERMITTED", {
    what: "This takes away a service and a user, and this user may not.",
    why: "It runs without the rights of root.",
    fix: "sudo bootcast uninstall (with --dry-run it needs no rights, and changes nothing)",
  });
}
