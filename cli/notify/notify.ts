import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { MadeTargetBody, TargetBody, TestBody } from "../../server/api/notify-routes.ts";
import { defaultTopics, type Topic, topics, topicWords } from "../../server/notify/topics.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { ago } from "../terminal/ago.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

type AddOptions = {
  readonly url?: string;
  readonly mail?: string[];
  readonly on?: Topic[];
  readonly secretOut?: string;
};

/** `bootcast notify …`: who is told what happens. */
export function notifyCommand(): Command {
  const command = new Command("notify").description(
    "Who is told what happens: by mail, or by a call to a web address.",
  );
  examples(command, [
    "bootcast notify add chat --url https://chat.example/hooks/x7 --secret-out chat.secret",
    "bootcast notify add mueller --mail mueller@school.example --on host-failed schedule",
    "bootcast notify test chat              # does it arrive?",
    "bootcast notify list                   # who could not be told, and why",
    "bootcast notify remove chat",
  ]);
  return command
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(testCommand())
    .addCommand(pauseCommand(true))
    .addCommand(pauseCommand(false))
    .addCommand(removeCommand());
}

function addCommand(): Command {
  const command = new Command("add").description(
    "Tells somebody from now on. A web address gets JSON that is signed as Standard Webhooks say; mail needs mail.server.",
  );
  examples(command, [
    "bootcast notify add chat --url https://chat.example/hooks/x7 --secret-out chat.secret",
    "bootcast notify add lab --mail lab@school.example night@school.example",
    "bootcast notify add audit --url http://10.0.0.5:9000/ --on host-new host-failed session-started session-ended",
  ]);
  const list = topics.map((topic) => `\n  ${topic.padEnd(16)}${topicWords[topic]}`).join("");
  return configOptions(globalOptions(command))
    .addHelpText("after", `\nWhat there is to be told of:${list}`)
    .argument("<name>", "who it is")
    .option("--url <url>", "a web address that is called")
    .option("--mail <address...>", "mail addresses")
    .option("--on <topics...>", `of what (default: ${defaultTopics.join(" ")})`)
    .option("--secret-out <file>", "writes the secret of the signatures there, and does not print it")
    .action((name: string, options: AddOptions) => {
      const { url, mail, on, secretOut } = options;
      if ((url === undefined) === (mail === undefined)) {
        throw usage("Exactly one of --url and --mail is needed.", "Give a web address, or mail addresses.");
      }
      const unknown = on?.find((topic) => !topics.includes(topic));
      if (unknown !== undefined)
        throw usage(`There is nothing called "${unknown}".`, `Choose among: ${topics.join(", ")}.`);
      const to = url === undefined ? { kind: "mail", address: mail?.join(",") } : { kind: "webhook", address: url };
      return withServer(command, async (api) => {
        const made = await api.post<MadeTargetBody>("/api/v1/notifications", {
          name,
          ...to,
          ...(on && { topics: on }),
        });
        const { secret, target } = made;
        if (secret === null) {
          printResult(made, () => `${name} is told from now on.`);
        } else if (secretOut === undefined) {
          printResult(made, () => secret);
          say("It signs each message, and is not shown again.");
        } else {
          try {
            writeFileSync(secretOut, `${secret}\n`, { mode: 0o600, flag: "wx" });
          } catch (error) {
            // Nobody has it.
            await api.delete(pathOf(name));
            throw error;
          }
          printResult({ target, file: secretOut }, () => `${name} is told from now on; the secret is in ${secretOut}.`);
        }
        say(`Try it: bootcast notify test ${name}`);
      });
    });
}

function listCommand(): Command {
  const command = new Command("list").description("Lists who is told, and who could not be told the last time.");
  examples(command, ["bootcast notify list", "bootcast notify list --json | jq '.notifications[] | select(.fault)'"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ notifications: TargetBody[] }>("/api/v1/notifications"), ({ notifications }) => {
        if (notifications.length === 0) return "Nobody is told anything: bootcast notify add --help";
        const rows = notifications.map((target) => [
          target.name,
          target.to,
          target.topics.join(" "),
          stateText(target),
        ]);
        return table([["NAME", "TO", "OF", "STATE"], ...rows]);
      });
    }),
  );
}

function testCommand(): Command {
  const command = new Command("test").description("Sends a test at once, and says whether it was taken.");
  examples(command, ["bootcast notify test chat", "bootcast notify test mueller --json"]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .action((name: string) =>
      withServer(command, async (api) => {
        const { isTold, fault } = await api.post<TestBody>(`${pathOf(name)}/test`, {});
        if (fault !== null) throw new Fault(fault.code, fault);
        printResult({ name, isTold }, () => `${name} took it.`);
      }),
    );
}

function pauseCommand(isPaused: boolean): Command {
  const verb = isPaused ? "pause" : "resume";
  const command = new Command(verb).description(
    isPaused ? "Tells somebody nothing until they are resumed." : "Tells somebody again.",
  );
  examples(command, [`bootcast notify ${verb} chat`]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .action((name: string) =>
      withServer(command, async (api) => {
        const target = await api.patch<TargetBody>(pathOf(name), { isPaused });
        printResult(target, () => `${name} is told ${isPaused ? "nothing" : "again"}.`);
      }),
    );
}

function removeCommand(): Command {
  const command = new Command("remove").description("Tells somebody nothing any more.");
  examples(command, ["bootcast notify remove chat"]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .action((name: string) =>
      withServer(command, async (api) => {
        await api.delete(pathOf(name));
        printResult({ removed: [name] }, () => `Removed: ${name}.`);
      }),
    );
}

function stateText({ isPaused, fault, failures, toldAtMs, waiting }: TargetBody): string {
  if (isPaused) return "paused";
  const waits = waiting > 0 ? `, ${waiting} waiting` : "";
  if (fault !== null && failures > 0) return `failed ${failures} times${waits}: ${fault.what} ${fault.why}`;
  if (fault !== null) return `the test failed: ${fault.what} ${fault.why}`;
  return (toldAtMs === null ? "nothing told yet" : `told ${ago(Date.now() - toldAtMs)}`) + waits;
}

function pathOf(name: string): string {
  return `/api/v1/notifications/${encodeURIComponent(name)}`;
}

function usage(what: string, fix: string): Fault {
  return new Fault("USAGE", { what, why: "The command would not know what is meant.", fix });
}
