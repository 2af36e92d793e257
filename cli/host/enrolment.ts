import { Command } from "commander";
import type { EnrolmentBody, RenewedEnrolmentBody } from "../../server/api/enrolment-routes.ts";
import { OLD_TOKENS_MS } from "../../server/hosts/enrolment/enrolment.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";

/** `bootcast host enrolment`: the token by which machines are approved without a person. */
export function hostEnrolmentCommand(): Command {
  const command = new Command("enrolment").description(
    'The token by which new machines are approved without a person, where hosts.approve is "token". The server puts ' +
      "one into every boot text, for that machine alone; sticks and machines that are started by hand need the site's own.",
  );
  examples(command, [
    "bootcast host enrolment show > /root/enrolment    # for bootcast boot-image usb --enrol-file /root/enrolment",
    "bootcast host enrolment renew                     # a stick was lost; what is made from now on has new tokens",
    "bootcast host enrolment renew --keep 1m           # and the old ones end at once",
  ]);
  return command.addCommand(showCommand()).addCommand(renewCommand());
}

function showCommand(): Command {
  const command = new Command("show").description(
    "Prints the site's token. Whoever has it can have machines approved.",
  );
  examples(command, ["bootcast host enrolment show", "bootcast host enrolment show --json"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<EnrolmentBody>("/api/v1/enrolment"), ({ token }) => token);
    }),
  );
}

function renewCommand(): Command {
  const command = new Command("renew").description(
    "Makes new tokens. Hosts stay approved; those that start with an old token after its time wait for a person.",
  );
  examples(command, ["bootcast host enrolment renew", "bootcast host enrolment renew --keep 30d"]);
  return configOptions(globalOptions(command))
    .option(
      "--keep <time>",
      "for so long the old tokens are good, too: 12h, 30d (default: 7d)",
      duration({ leastMs: 60_000, mostMs: 365 * 86_400_000 }),
      OLD_TOKENS_MS,
    )
    .action(({ keep: keepMs }: { keep: number }) =>
      withServer(command, async (api) => {
        printResult(
          await api.post<RenewedEnrolmentBody>("/api/v1/enrolment/renew", { keepMs: Math.round(keepMs) }),
          ({ oldUntilMs }) =>
            [
              "New tokens are in all boot texts from now on.",
              oldUntilMs === null ? "" : `The old ones are good until ${new Date(oldUntilMs).toISOString()}.`,
              "Sticks have to be made anew: bootcast boot-image usb --enrol-file FILE",
            ]
              .filter((line) => line !== "")
              .join("\n"),
        );
      }),
    );
}
