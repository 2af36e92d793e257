import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import { checkedKernelArgs } from "../../server/boot/plain-text.ts";
import type { Config } from "../../server/config/config.ts";
import type { LiveConfig, Reloaded } from "../../server/config/live.ts";
import { readBsdpClients } from "../../server/dhcp/bsdp-clients.ts";
import type { EventLog } from "../../server/events.ts";
import { readNameList } from "../../server/hosts/name-list.ts";

/** What parts of the server refuse when it starts: lists that cannot be read, arguments that no kernel takes. @throws {Fault} */
export async function checkForUse({ values }: Config): Promise<void> {
  checkedKernelArgs(values["boot.kernel_args"]);
  const list = values["hosts.names_csv"];
  if (list !== undefined) await readNameList(list);
  const clients = values["hosts.names_bsdp"];
  if (clients !== undefined) await readBsdpClients(clients);
}

/**
 * Takes the settings as they are written now, those of them that may change while the server runs: all of that, or
 * nothing where one of them is wrong. Their names are told, and never their values.
 *
 * @throws {Fault} of the setting that is wrong
 */
export async function reload(
  config: LiveConfig,
  next: Config,
  { events, log }: { readonly events: EventLog; readonly log: Logger },
): Promise<Reloaded> {
  await checkForUse(next);
  const { taken, waiting } = config.take(next);
  log.info({ taken, waiting }, "the settings were read again");
  if (waiting.length > 0)
    log.warn({ settings: waiting, fix: "systemctl restart bootcast" }, "these wait for a restart");
  if (taken.length > 0) {
    await events.change(({ record }) => record({ kind: "server.reloaded", data: { taken, waiting } }));
  }
  return { taken, waiting };
}

/**
 * Reads the settings again at each SIGHUP. Where they are wrong, the server goes on with those that it has. In a terminal
 * the signal means that its window was closed, and ends the server as it ends every program.
 *
 * @param read the settings as they are written now
 * @param take what `reload` does; undefined until the server is ready
 */
export function reloadAtHangup(
  read: () => Config,
  log: Logger,
): { ready(take: (next: Config) => Promise<Reloaded>): void } {
  const { promise: isReady, resolve } = Promise.withResolvers<(next: Config) => Promise<Reloaded>>();
  let last: Promise<unknown> = Promise.resolve();
  const again = async () => {
    const take = await isReady;
    try {
      await take(read());
    } catch (error) {
      const { code, what, why, fix } = error instanceof Fault ? error : unexpected(error);
      log.error(
        { fault: { code, what, why, fix } },
        "the settings are wrong: the server goes on with those that it has",
      );
    }
  };
  process.on("SIGHUP", () => {
    // One after the other: the last word counts.
    last = last.then(again);
  });
  return { ready: resolve };
}

function unexpected(error: unknown): Fault {
  const text = { what: "The settings could not be read again.", why: String(error), fix: "Restart the server." };
  return new Fault("RELOAD_FAILED", text, error);
}
