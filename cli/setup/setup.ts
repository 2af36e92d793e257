import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import { FIRST_ADMIN } from "../../server/access/users.ts";
import type { LinkBody, UserBody } from "../../server/api/access-schemas.ts";
import type { StatusBody } from "../../server/api/schemas.ts";
import type { Config } from "../../server/config/config.ts";
import { ApiClient } from "../client.ts";
import { controlSocketOf } from "../serve/control-socket.ts";
import { ownOptions } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { applyStep } from "./apply.ts";
import { type Facts, gatherFacts } from "./facts.ts";
import { CONFIG_FILE, SERVICE } from "./places.ts";
import { planSetup } from "./plan.ts";
import { launcherFile, requireReadableProgram } from "./program-file.ts";
import { lastLines, networkLines, row, told } from "./setup-lines.ts";

type SetupFlags = { dryRun?: boolean; tune: boolean; bootImage: boolean; dataDir?: string };

/** `bootcast setup`: makes this machine a server. */
export function setupCommand(): Command {
  const command = new Command("setup").description(
    "Makes this machine a bootcast server: configuration, a user without rights, a systemd service, the boot image. It asks nothing, and does only what is not done yet.",
  );
  examples(command, [
    "sudo bootcast setup --dry-run     # what it would do",
    "sudo bootcast setup",
    "sudo bootcast setup --data-dir /srv/bootcast --no-boot-image",
  ]);
  return globalOptions(ownOptions(command))
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--no-tune", "leave the kernel's socket buffers as they are")
    .option("--no-boot-image", "do not build the Linux that machines boot; it takes some minutes and the Internet")
    .action(async (flags: SetupFlags) => {
      const config = configOf(command);
      const launcher = launcherFile();
      const isDry = flags.dryRun === true;
      if (!isDry) requireRoot();
      await requireReadableProgram(process.execPath, launcher);
      const facts = await gatherFacts({ config, launcher });
      const wishes = { dataDir: wantedDataDir(flags, config, facts), tunes: flags.tune, builds: flags.bootImage };
      const plan = planSetup(facts, wishes);
      for (const line of networkLines(facts.networks)) say(line);
      for (const name of plan.kept) say(row("Kept", name));
      if (!isDry && facts.hasControlSocket) await refuseForeignServer(config);
      for (const step of plan.steps) {
        if (!isDry) await applyStep(step, facts);
        say(row(...told(step, isDry)));
      }
      const after = isDry ? undefined : await afterwards(config, facts);
      const { links = [] } = after ?? {};
      printResult(
        {
          dryRun: isDry,
          networks: facts.networks.map((on) => ({ ...on, dhcpServer: on.dhcpServer ?? null })),
          steps: plan.steps.map(({ do: name, ...rest }) => ({ do: name, ...pathOf(rest) })),
          kept: plan.kept,
          running: after?.isRunning ?? false,
          links,
        },
        () => lastLines(plan, { isDry, facts, links, isRunning: after?.isRunning ?? false }).join("\n"),
      );
    });
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Fault("NOT_PERMITTED", {
    what: "Setup changes the system, and this user may not.",
    why: "It makes a user, a service and files below /etc.",
    fix: "sudo bootcast setup (with --dry-run it needs no rights, and changes nothing)",
  });
}

/** The file decides, once it is there: what is given must be what it says. @throws {Fault} USAGE */
function wantedDataDir({ dataDir }: SetupFlags, config: Config, { files }: Facts): string | undefined {
  if (dataDir === undefined) return undefined;
  const wanted = resolve(dataDir);
  if (files.config === undefined) return wanted;
  if (config.origins.data_dir === "--data-dir" && !files.config.includes(JSON.stringify(wanted))) {
    throw new Fault("USAGE", {
      what: `--data-dir ${wanted} is not what ${CONFIG_FILE} says.`,
      why: "The service reads that file, and setup changes nothing that is written there.",
      fix: `Set data_dir = ${JSON.stringify(wanted)} in ${CONFIG_FILE}, and run setup without --data-dir.`,
    });
  }
  return wanted;
}

/** A server in somebody's terminal has our ports. @throws {Fault} SERVER_RUNNING */
async function refuseForeignServer({ dataDir }: Config): Promise<void> {
  const api = ApiClient.local(controlSocketOf(dataDir));
  try {
    const { pid } = await api.get<StatusBody>("/api/v1/status");
    if ((await mainPidOfService()) === pid) return;
    throw new Fault("SERVER_RUNNING", {
      what: `A bootcast server runs here already, outside of systemd (pid ${pid}).`,
      why: "It has the ports that the service needs.",
      fix: `Stop it (sudo kill ${pid}), and run setup again.`,
    });
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "SERVER_UNREACHABLE") throw error;
  } finally {
    await api.close();
  }
}

/** The process that systemd has started as our service; 0 when it has none, or does not run here. */
async function mainPidOfService(): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)("systemctl", ["show", "--property=MainPID", "--value", SERVICE]);
    return Number(stdout);
  } catch {
    return 0;
  }
}

/** What the server that was started says; a first link where nobody can log in yet. */
async function afterwards(
  config: Config,
  { hasSystemd }: Facts,
): Promise<{ readonly isRunning: boolean; readonly links: readonly string[] }> {
  if (!hasSystemd) return { isRunning: false, links: [] };
  const api = ApiClient.local(controlSocketOf(config.dataDir));
  try {
    const { users } = await api.get<{ users: UserBody[] }>("/api/v1/users");
    if (users.some(({ role, hasPassword }) => role === "admin" && hasPassword)) return { isRunning: true, links: [] };
    const { links } = await api.post<LinkBody>(`/api/v1/users/${users[0]?.name ?? FIRST_ADMIN}/link`);
    return { isRunning: true, links };
  } finally {
    await api.close();
  }
}

function pathOf(rest: object): { path?: string } {
  return "path" in rest ? { path: String(rest.path) } : {};
}
