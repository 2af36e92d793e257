import { Command, Option } from "commander";
import { roles } from "../../server/access/roles.ts";
import { FIRST_ADMIN } from "../../server/access/users.ts";
import type { LinkBody, TokenBody, UserBody } from "../../server/api/access-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { ago } from "../terminal/ago.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { newPassword } from "./new-password.ts";

/** `bootcast user …`: the people who may log in. */
export function userCommand(): Command {
  const command = new Command("user").description(
    "The people who may log in to the pages and the API: a viewer looks, an operator gives orders, an admin decides who may.",
  );
  examples(command, [
    "sudo bootcast user link                       # the link for the first password",
    "bootcast user add mueller --role operator     # answers a link to send to them",
    "bootcast user list",
    "bootcast user role mueller viewer",
  ]);
  return command
    .addCommand(listCommand())
    .addCommand(addCommand())
    .addCommand(linkCommand())
    .addCommand(roleCommand())
    .addCommand(passwordCommand())
    .addCommand(removeCommand());
}

function listCommand(): Command {
  const command = new Command("list").description("Lists all users with their roles.");
  examples(command, ["bootcast user list", "bootcast user list --json"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ users: UserBody[] }>("/api/v1/users"), ({ users }) => {
        if (users.length === 0) return "Nobody can log in yet: sudo bootcast user link";
        const rows = users.map((user) => [user.name, user.role, passwordText(user), addedText(user)]);
        return table([["NAME", "ROLE", "PASSWORD", "ADDED"], ...rows]);
      });
    }),
  );
}

function addCommand(): Command {
  const command = new Command("add").description("Adds a user, and makes the link with which they choose a password.");
  examples(command, ["bootcast user add mueller --role operator", "bootcast user add chief --role admin"]);
  return configOptions(globalOptions(command))
    .argument("<name>", "small letters, digits, dots, hyphens")
    .addOption(new Option("--role <role>", "what they may do").choices(roles).default("viewer"))
    .action((name: string, { role }: { role: string }) =>
      withServer(command, async (api) => {
        const user = await api.post<UserBody>("/api/v1/users", { name, role });
        const link = await api.post<LinkBody>(`${pathOf(user.name)}/link`);
        printResult({ ...user, link }, () => linkText(link));
      }),
    );
}

function linkCommand(): Command {
  const command = new Command("link").description(
    "Makes the link with which somebody chooses a password. It is good until it is used; the one before is not any more. Where nobody can log in yet, it makes the first admin.",
  );
  examples(command, ["sudo bootcast user link", "bootcast user link mueller"]);
  return configOptions(globalOptions(command))
    .argument("[name]", "whose", FIRST_ADMIN)
    .action((name: string) =>
      withServer(command, async (api) => {
        printResult(await api.post<LinkBody>(`${pathOf(name)}/link`), linkText);
      }),
    );
}

function roleCommand(): Command {
  const command = new Command("role").description("Changes what a user may do, from their next click on.");
  examples(command, ["bootcast user role mueller viewer"]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .argument("<role>", roles.join(", "))
    .action((name: string, role: string) =>
      withServer(command, async (api) => {
        const user = await api.patch<UserBody>(pathOf(name), { role });
        printResult(user, () => `${user.name} is ${user.role} now.`);
      }),
    );
}

function passwordCommand(): Command {
  const command = new Command("password").description(
    "Sets the password of a user, and logs out all their browsers. A link is better: then nobody else knows it.",
  );
  examples(command, [
    "bootcast user password mueller",
    "bootcast user password mueller --password-file /run/secrets/mueller",
  ]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .option("--password-file <file>", "the file's first line, instead of a question")
    .action((name: string, { passwordFile }: { passwordFile?: string }) =>
      withServer(command, async (api) => {
        const password = await newPassword(name, passwordFile);
        const user = await api.put<UserBody>(`${pathOf(name)}/password`, { password });
        printResult(user, () => `${user.name} has a new password.`);
      }),
    );
}

function removeCommand(): Command {
  const command = new Command("remove").description("Removes a user, and logs them out. Tokens that they made stay.");
  examples(command, ["bootcast user remove mueller"]);
  return configOptions(globalOptions(command))
    .argument("<name>")
    .action((name: string) =>
      withServer(command, async (api) => {
        const user = await api.delete<UserBody>(pathOf(name));
        const { tokens } = await api.get<{ tokens: TokenBody[] }>("/api/v1/tokens");
        const left = tokens.filter(({ madeBy }) => madeBy === user.name).map((token) => token.name);
        printResult({ ...user, tokens: left }, () => `${user.name} is removed.`);
        if (left.length > 0) say(`Tokens that they made are still good: bootcast token remove ${left.join(" ")}`);
      }),
    );
}

function pathOf(name: string): string {
  return `/api/v1/users/${encodeURIComponent(name)}`;
}

function passwordText({ hasPassword, hasLink }: UserBody): string {
  if (hasLink) return hasPassword ? "yes, and a link for a new one" : "waits for the link to be used";
  return hasPassword ? "yes" : 'none: "bootcast user link"';
}

function addedText({ createdAtMs }: UserBody): string {
  return ago(Date.now() - createdAtMs);
}

function linkText({ user, links, fingerprint }: LinkBody): string {
  return [
    `For ${user}, until it is used:`,
    ...links.map((link) => `  ${link}`),
    "The browser warns once, because the certificate is this server's own. Its authority has the SHA-256 fingerprint",
    `  ${fingerprint.toUpperCase().match(/../g)!.join(":")}`,
  ].join("\n");
}
