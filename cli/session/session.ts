import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { DeployRequestBody, ListedSessionBody, SessionBody } from "../../server/api/schemas.ts";
import { type ApiClient, withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration, parseCount } from "../settings/option-values.ts";
import { Exit, examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { planAndOrder } from "./order.ts";
import { sessionTable, sessionText } from "./text.ts";
import { type WatchOptions, watch } from "./watch.ts";
import { timeZoneOf } from "./when.ts";

const MOST_WATCH_MS = 30 * 86_400_000;

/** `bootcast session …`: what was ordered, and how far it is. */
export function sessionCommand(): Command {
  const command = new Command("session").description("What was ordered, and how far its hosts are.");
  examples(command, [
    "bootcast session list",
    "bootcast session watch               # the newest one, until every host is done",
    "bootcast session show 3              # minutes in each state, host by host",
    "bootcast session start 3             # do not wait for its time, or for more hosts; go on after it has stopped",
    "bootcast session stop 3",
    "bootcast session retry 3             # those that failed, once more",
  ]);
  return command
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(watchCommand())
    .addCommand(startCommand())
    .addCommand(stopCommand())
    .addCommand(retryCommand());
}

function listCommand(): Command {
  const command = new Command("list").description("Lists sessions, the newest first.");
  examples(command, ["bootcast session list", "bootcast session list --json"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ sessions: ListedSessionBody[] }>("/api/v1/sessions"), ({ sessions }) =>
        sessionTable(sessions),
      );
    }),
  );
}

function showCommand(): Command {
  const command = new Command("show").description("Shows one session: every host, and the time it took.");
  examples(command, ["bootcast session show 3", "bootcast session show 3 --json"]);
  return configOptions(globalOptions(command))
    .argument("[session]", "its number (default: the newest)", parseCount)
    .action((number: number | undefined) =>
      withServer(command, async (api) => printResult(await sessionOf(api, number), sessionText)),
    );
}

function watchCommand(): Command {
  const command = new Command("watch").description(
    "Follows a session until its hosts are done: a table that is drawn anew on a terminal, a line on stderr for every change elsewhere. Exit code 3 when some failed.",
  );
  examples(command, [
    "bootcast session watch",
    "bootcast session watch 3 --hosts 2 --max-time 30m    # until two hosts are through; 'any' has no end of its own",
  ]);
  return configOptions(globalOptions(command))
    .argument("[session]", "its number (default: the newest)", parseCount)
    .option("--hosts <n>", "stop watching when so many hosts are through", parseCount)
    .option(
      "--max-time <time>",
      "give up watching after this long: 90s, 10m, or seconds (the session goes on)",
      duration({ mostMs: MOST_WATCH_MS }),
    )
    .action((number: number | undefined, options: WatchOptions) =>
      withServer(command, async (api) => {
        const session = await watch(api, await sessionOf(api, number), options);
        printResult(session, sessionText);
        if (session.hosts.some(({ order }) => order === "failed")) process.exitCode = Exit.someHostsFailed;
        else if (session.state === "cancelled") process.exitCode = Exit.failed;
      }),
    );
}

function startCommand(): Command {
  const command = new Command("start").description(
    "Begins before its time, goes on after it has stopped because hosts failed, or sends to the hosts that are there.",
  );
  examples(command, ["bootcast session start 3", "bootcast session start 3 --json"]);
  return configOptions(globalOptions(command))
    .argument("<session>", "its number", parseCount)
    .action((number: number) =>
      withServer(command, async (api) =>
        printResult(await api.post<SessionBody>(`/api/v1/sessions/${number}/start`), sessionText),
      ),
    );
}

function stopCommand(): Command {
  const command = new Command("stop").description(
    "Takes the order back: hosts that have not begun are left alone, the others stop before their next step.",
  );
  examples(command, ["bootcast session stop 3", "bootcast session stop 3 --hosts lab-07   # the others go on"]);
  return configOptions(globalOptions(command))
    .argument("<session>", "its number", parseCount)
    .option("--hosts <hosts...>", "only these hosts of it")
    .action((number: number, { hosts }: { readonly hosts?: readonly string[] }) =>
      withServer(command, async (api) => {
        const body = hosts === undefined ? undefined : { hosts };
        const session = await api.post<SessionBody>(`/api/v1/sessions/${number}/stop`, body);
        printResult(session, sessionText);
        const begun = session.hosts.filter(({ startedAtMs, order }) => startedAtMs !== null && order === "cancelled");
        if (begun.length > 0 && session.kind === "deploy") {
          say(`Stopped half-way, so their disks do not boot: ${begun.map(({ name }) => name).join(", ")}`);
        }
      }),
    );
}

type RetryOptions = { readonly plan?: boolean; readonly confirm?: string };

function retryCommand(): Command {
  const command = new Command("retry").description(
    "Orders the image again for those hosts that failed, or were stopped half-way. Their disks are ERASED.",
  );
  examples(command, [
    "bootcast session retry 3 --plan      # who that would be",
    "bootcast session retry 3             # asks for the name, then orders",
  ]);
  return configOptions(globalOptions(command))
    .argument("<session>", "its number", parseCount)
    .option("--plan", "show what would be erased, and order nothing")
    .option("--confirm <name>", "the name that would have to be typed, for scripts")
    .action((number: number, options: RetryOptions) =>
      withServer(command, async (api) => {
        const request = await api.get<DeployRequestBody>(`/api/v1/sessions/${number}/retry`);
        const timeZone = timeZoneOf(undefined);
        await planAndOrder(api, request, { isPlan: options.plan === true, confirmed: options.confirm, timeZone });
      }),
    );
}

async function sessionOf(api: ApiClient, number: number | undefined): Promise<SessionBody> {
  if (number !== undefined) return api.get<SessionBody>(`/api/v1/sessions/${number}`);
  const { sessions } = await api.get<{ sessions: ListedSessionBody[] }>("/api/v1/sessions");
  const newest = sessions.find(({ state }) => state === "active") ?? sessions[0];
  if (newest !== undefined) return api.get<SessionBody>(`/api/v1/sessions/${newest.id}`);
  throw new Fault("SESSION_NONE", {
    what: "There is no session.",
    why: "Nothing was ordered yet.",
    fix: 'Order an image first: bootcast deploy IMAGE --to HOST --plan ("bootcast image list" shows images).',
  });
}
