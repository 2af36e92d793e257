import { Command } from "commander";
import type { OccurrenceBody, ScheduleBody } from "../../server/api/schedule-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { wholeNumber } from "../settings/option-values.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { addCommand } from "./add.ts";
import { occurrenceRow, scheduleText, timeText } from "./text.ts";

const DEFAULT_COUNT = 10;

/** `bootcast schedule …`: orders that are given again and again. */
export function scheduleCommand(): Command {
  const command = new Command("schedule").description(
    "Orders that are given again and again at their times: kiosks every night, a room every Friday.",
  );
  examples(command, [
    'bootcast schedule add kiosks kiosk --to label=kiosk --at "03:00"',
    'bootcast schedule add room-b lab-2026 --to room-b --at "fri 22:00" --window 4h --wake-before 10m',
    "bootcast schedule next                 # what comes, and when",
    "bootcast schedule pause room-b         # until it is resumed",
    "bootcast schedule remove kiosks",
  ]);
  return command
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(nextCommand())
    .addCommand(pauseCommand(true))
    .addCommand(pauseCommand(false))
    .addCommand(removeCommand());
}

function listCommand(): Command {
  const command = new Command("list").description("Lists all schedules with their next times and last results.");
  examples(command, ["bootcast schedule list", "bootcast schedule list --json | jq '.schedules[].next[0]'"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ schedules: ScheduleBody[] }>("/api/v1/schedules"), ({ schedules }) => {
        if (schedules.length === 0) return "There are no schedules: bootcast schedule add --help";
        const rows = schedules.map((schedule) => {
          const [next] = schedule.next;
          const [last] = schedule.runs;
          const when = schedule.isPaused
            ? "paused"
            : next === undefined
              ? "never"
              : timeText(next.dueAtMs, schedule.timeZone);
          const result = last === undefined ? "-" : `${last.state} ${timeText(last.dueAtMs, schedule.timeZone)}`;
          return [schedule.name, schedule.deploy.image, schedule.cron, schedule.timeZone, when, result];
        });
        return table([["NAME", "IMAGE", "RULE", "TIME ZONE", "NEXT", "LAST"], ...rows]);
      });
    }),
  );
}

function showCommand(): Command {
  const command = new Command("show").description("Shows one schedule, its next times, and what became of the last.");
  examples(command, ["bootcast schedule show kiosks", "bootcast schedule show kiosks --json | jq '.runs[0]'"]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .action((name: string) =>
      withServer(command, async (api) => {
        printResult(await api.get<ScheduleBody>(pathOf(name)), scheduleText);
      }),
    );
}

function nextCommand(): Command {
  const command = new Command("next").description("Shows the next times of one schedule, or of all in their order.");
  examples(command, ["bootcast schedule next", "bootcast schedule next kiosks --count 30"]);
  return configOptions(globalOptions(command))
    .argument("[name]")
    .option("--count <n>", `how many (default: ${DEFAULT_COUNT})`, wholeNumber(1, 100))
    .action((name: string | undefined, { count = DEFAULT_COUNT }: { count?: number }) =>
      withServer(command, async (api) => {
        const all =
          name === undefined
            ? (await api.get<{ schedules: ScheduleBody[] }>("/api/v1/schedules")).schedules
            : [await api.get<ScheduleBody>(pathOf(name))];
        const times = await Promise.all(
          all.map(async (schedule) => {
            const { next } = await api.get<{ next: OccurrenceBody[] }>(`${pathOf(schedule.name)}/next?count=${count}`);
            return next.map((occurrence) => ({ schedule: schedule.name, timeZone: schedule.timeZone, ...occurrence }));
          }),
        );
        const next = times
          .flat()
          .toSorted((one, other) => one.opensAtMs - other.opensAtMs)
          .slice(0, count);
        printResult({ next }, () => {
          if (next.length === 0) return "Nothing comes: there are no schedules, or they are paused.";
          const rows = next.map(({ schedule, ...occurrence }) => [schedule, ...occurrenceRow(occurrence)]);
          return table([["SCHEDULE", "TIME", "BEGINS", "UNTIL", ""], ...rows]);
        });
      }),
    );
}

function pauseCommand(isPaused: boolean): Command {
  const verb = isPaused ? "pause" : "resume";
  const command = new Command(verb).description(
    isPaused
      ? "Lets the times of schedules pass until they are resumed. What is under way goes on."
      : "Lets paused schedules go on. What they let pass is not made up for.",
  );
  examples(command, [`bootcast schedule ${verb} kiosks`, `bootcast schedule ${verb} kiosks room-b --quiet`]);
  return configOptions(globalOptions(command))
    .argument("<name...>")
    .action((names: string[]) =>
      withServer(command, async (api) => {
        const schedules: ScheduleBody[] = [];
        for (const name of names) schedules.push(await api.patch<ScheduleBody>(pathOf(name), { isPaused }));
        printResult({ schedules }, () => `${isPaused ? "Paused" : "Resumed"}: ${names.join(", ")}.`);
      }),
    );
}

function removeCommand(): Command {
  const command = new Command("remove").description(
    "Removes schedules. A session that is under way goes on, without the hosts that have not begun.",
  );
  examples(command, ["bootcast schedule remove kiosks"]);
  return configOptions(globalOptions(command))
    .argument("<name...>")
    .action((names: string[]) =>
      withServer(command, async (api) => {
        for (const name of names) await api.delete(pathOf(name));
        printResult({ removed: names }, () => `Removed: ${names.join(", ")}.`);
        say('What it had begun is in "bootcast session list".');
      }),
    );
}

function pathOf(name: string): string {
  return `/api/v1/schedules/${encodeURIComponent(name)}`;
}
