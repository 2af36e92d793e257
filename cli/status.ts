import { Command } from "commander";
import type { RecentBootsBody } from "../server/api/boot-schemas.ts";
import type { StatusBody } from "../server/api/schemas.ts";
import { withServer } from "./client.ts";
import { configOptions } from "./settings/configuration.ts";
import { ago } from "./terminal/ago.ts";
import { examples, globalOptions, printResult } from "./terminal/output.ts";
import { table } from "./terminal/table.ts";

/** `bootcast status`: the server on this machine. */
export function statusCommand(): Command {
  const command = new Command("status").description(
    "Shows the server on this machine: where it listens, what it has to do.",
  );
  examples(command, ["bootcast status", "bootcast status --json"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<StatusBody>("/api/v1/status"), (status) =>
        table([
          ["Server", `bootcast ${status.version}, pid ${status.pid}, started ${ago(Date.now() - status.startedAtMs)}`],
          ["Addresses", status.addresses.join(" ")],
          ["API", `${status.https.servers.join(" ")}, authority ${status.https.fingerprint.slice(0, 16)}…`],
          ["DHCP", status.dhcp],
          ...status.otherServers.map((other) => ["", otherServerText(other, Date.now())]),
          ...(status.servers.length < 2 ? [] : [["Together with", othersText(status.servers)]]),
          ["Data", status.dataDir],
          ["Hosts", String(status.hosts)],
          [
            "Sessions",
            status.activeSessions.length === 0 ? "none active" : `active: ${status.activeSessions.join(", ")}`,
          ],
          ["Boots", bootsText(status.boots)],
        ]),
      );
    }),
  );
}

/** The other servers of its database. */
function othersText(servers: StatusBody["servers"]): string {
  const others = servers.filter(({ isSelf }) => !isSelf);
  return others.map(({ name, addresses }) => `${name} ${addresses.join(" ")}`).join(", ");
}

/** A boot server beside us is a warning; a DHCP server is what a proxy works beside. */
function otherServerText(
  { interface: on, server, givesAddresses, bootFile, lastSeenMs }: StatusBody["otherServers"][number],
  nowMs: number,
): string {
  const seen = `${server} on ${on}, seen ${ago(nowMs - lastSeenMs)}`;
  if (bootFile === null) return `beside the DHCP server ${seen}`;
  const gives = bootFile === "" ? "boot data" : `the boot file ${bootFile}`;
  return `WARNING: another boot server gives ${gives}${givesAddresses ? " and addresses" : ""}: ${seen}`;
}

/** Machines that tried to boot lately; of those that were refused, the newest with its reason. */
function bootsText({ tried, refused, withinMs }: RecentBootsBody): string {
  const [newest] = refused;
  const machines = `${tried} ${tried === 1 ? "machine" : "machines"} tried in the last ${withinMs / 60_000} minutes`;
  if (newest === undefined) return machines;
  return `${machines}, ${refused.length} refused: ${newest.host ?? newest.mac}: ${newest.reason}`;
}
