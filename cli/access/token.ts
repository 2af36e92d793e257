import { Command, Option } from "commander";
import { Fault } from "../../fault.ts";
import { roles } from "../../server/access/roles.ts";
import type { MadeTokenBody, TokenBody } from "../../server/api/access-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { ago } from "../terminal/ago.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { writeTokenFile } from "./token-file.ts";

const DAY_MS = 86_400_000;
const DEFAULT_MS = 90 * DAY_MS;
const MOST_MS = 3650 * DAY_MS;

/** `bootcast token …`: what programs and other machines log in with. */
export function tokenCommand(): Command {
  const command = new Command("token").description(
    "Tokens let programs and other machines use the API over the network, with one role and until a day.",
  );
  examples(command, [
    "bootcast token add laptop --role operator --out laptop.token",
    "bootcast host list --token-file laptop.token                  # on the laptop",
    "bootcast token list",
    "bootcast token remove laptop",
  ]);
  return command.addCommand(addCommand()).addCommand(listCommand()).addCommand(removeCommand());
}

function addCommand(): Command {
  const command = new Command("add").description(
    "Makes a token. With --out it is written to a file with the server's address and fingerprint, for --token-file.",
  );
  examples(command, [
    "bootcast token add laptop --role operator --out laptop.token",
    "bootcast token add grafana --expires never",
    "bootcast token add ci --role operator --expires 30d --json | jq -r .secret",
  ]);
  return configOptions(globalOptions(command))
    .argument("<name>", "what uses it")
    .addOption(new Option("--role <role>", "what it allows").choices(roles).default("viewer"))
    .option("--expires <time>", 'how long it is good: "30d", "12h", or never (default: 90d)', expiry)
    .option("--out <file>", "writes it there, readable by its owner only, and does not print it")
    .action((name: string, options: { role: string; expires?: number | null; out?: string }) =>
      withServer(command, async (api) => {
        const forMs = options.expires === undefined ? DEFAULT_MS : options.expires;
        const expiresAtMs = forMs === null ? null : Date.now() + forMs;
        const made = await api.post<MadeTokenBody>("/api/v1/tokens", { name, role: options.role, expiresAtMs });
        if (options.out === undefined) {
          printResult(made, ({ secret }) => secret);
          say(`A ${options.role}, ${untilText(made.token)}. It is not shown again.`);
          return;
        }
        const [url] = made.servers;
        if (url === undefined) throw noAddress();
        try {
          const about = `bootcast token "${name}": ${options.role}, ${untilText(made.token)}`;
          writeTokenFile(options.out, { url, fingerprint: made.fingerprint, token: made.secret }, about);
        } catch (error) {
          // Nobody has it.
          await api.delete(pathOf(name));
          throw error;
        }
        printResult({ token: made.token, file: options.out }, () => `${options.out}: ${untilText(made.token)}.`);
      }),
    );
}

function listCommand(): Command {
  const command = new Command("list").description("Lists all tokens; the tokens themselves are not stored.");
  examples(command, ["bootcast token list", "bootcast token list --json"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ tokens: TokenBody[] }>("/api/v1/tokens"), ({ tokens }) => {
        if (tokens.length === 0) return "There are no tokens: bootcast token add NAME";
        const rows = tokens.map((token) => [token.name, token.role, untilText(token), usedText(token), token.madeBy]);
        return table([["NAME", "ROLE", "GOOD", "USED", "MADE BY"], ...rows]);
      });
    }),
  );
}

function removeCommand(): Command {
  const command = new Command("remove").description("Ends tokens at once.");
  examples(command, ["bootcast token remove laptop"]);
  return configOptions(globalOptions(command))
    .argument("<name...>")
    .action((names: string[]) =>
      withServer(command, async (api) => {
        for (const name of names) await api.delete(pathOf(name));
        printResult({ removed: names }, () => `Removed: ${names.join(", ")}.`);
      }),
    );
}

/** @returns null: never */
function expiry(text: string): number | null {
  return text === "never" ? null : duration({ leastMs: 60_000, mostMs: MOST_MS })(text);
}

function pathOf(name: string): string {
  return `/api/v1/tokens/${encodeURIComponent(name)}`;
}

function untilText({ expiresAtMs }: TokenBody): string {
  if (expiresAtMs === null) return "until it is removed";
  const day = new Date(expiresAtMs).toISOString().slice(0, 16).replace("T", " ");
  return expiresAtMs <= Date.now() ? `ended ${day} UTC` : `until ${day} UTC`;
}

function usedText({ usedAtMs }: TokenBody): string {
  return usedAtMs === null ? "never" : ago(Date.now() - usedAtMs);
}

function noAddress(): Fault {
  return new Fault("SERVER_ADDRESS_MISSING", {
    what: "The token file was not written.",
    why: "The server has no address at this moment.",
    fix: 'Connect it to the network, "bootcast token remove" this one, and make it again.',
  });
}
