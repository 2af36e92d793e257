import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Config } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import type { ByItself } from "../../server/doctor/by-itself.ts";
import type { EventLog } from "../../server/events.ts";
import type { Hosts } from "../../server/hosts/hosts.ts";
import { Courier } from "../../server/notify/courier.ts";
import type { MailSettings } from "../../server/notify/mail-settings.ts";
import { Targets } from "../../server/notify/targets.ts";
import type { DeployStreams } from "../../server/orders/deploy-streams.ts";
import type { Deploys } from "../../server/orders/deploys.ts";
import { hostsInUse } from "../../server/schedules/presence.ts";
import { Scheduler } from "../../server/schedules/scheduler.ts";
import { Schedules } from "../../server/schedules/schedules.ts";
import { VERSION } from "../version.ts";

type ScheduleWiring = {
  readonly config: Config;
  readonly db: Database;
  readonly events: EventLog;
  readonly hosts: Hosts;
  readonly deploys: Deploys;
  readonly streams: DeployStreams;
  readonly log: Logger;
  readonly now: () => number;
};

/** What happens by itself at its time, and who is told of what. */
export function schedulesOf(options: ScheduleWiring) {
  const { config, db, events, hosts, deploys, streams, log, now } = options;
  const closeIdle = (deployId: number) => streams.closeIdle(deployId);
  const schedules = new Schedules({ db, events, plan: (request) => deploys.plan(request), closeIdle, now });
  const scheduler = new Scheduler({
    db,
    events,
    order: (request) => deploys.create(request),
    select: (words) => hosts.select(words),
    inUse: (hostIds, signal) => hostsInUse(hostIds, { db, now, signal }),
    closeIdle,
    log: log.child({ part: "schedules" }),
    now,
  });
  const targets = new Targets({
    db,
    events,
    get hasMail() {
      return mailOf(config) !== undefined;
    },
  });
  const courier = new Courier({
    db,
    events,
    get mail() {
      return mailOf(config);
    },
    sender: { server: hostname(), version: VERSION, now },
    log: log.child({ part: "notify" }),
    chance: () => Math.random(),
  });
  const seen: ByItself = {
    schedules: async () => {
      const active = (await schedules.list()).filter(({ isPaused }) => !isPaused);
      return Promise.all(active.map(async (each) => ({ name: each.name, ...(await schedules.outlookOf(each)) })));
    },
    told: () => targets.list(),
  };
  return { schedules, scheduler, targets, courier, seen };
}

function mailOf({ values }: Config): MailSettings | undefined {
  const server = values["mail.server"];
  const from = values["mail.from"];
  if (server === undefined || from === undefined) return undefined;
  return {
    server,
    from,
    port: values["mail.port"],
    security: values["mail.security"],
    user: values["mail.user"],
    passwordFile: values["mail.password_file"],
  };
}
