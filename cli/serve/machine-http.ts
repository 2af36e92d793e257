import type { Logger } from "pino";
import type { BootPolicy } from "../../bsdp/policy.ts";
import { BootTexts } from "../../server/boot/boot-texts.ts";
import { bootRoutes } from "../../server/boot/routes.ts";
import type { BootTrace } from "../../server/boot-trace/boot-trace.ts";
import { CaptureManifests } from "../../server/capture/manifests.ts";
import { captureRoutes } from "../../server/capture/routes.ts";
import { CaptureUploads } from "../../server/capture/uploads.ts";
import type { Config } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import { HearingTests } from "../../server/doctor/hearing.ts";
import { sendHearingTest } from "../../server/doctor/send-hearing-test.ts";
import type { EventLog } from "../../server/events.ts";
import type { Enrolment } from "../../server/hosts/enrolment/enrolment.ts";
import type { Hosts } from "../../server/hosts/hosts.ts";
import { agentRoutes } from "../../server/http/agent-api.ts";
import { hearingRoute } from "../../server/http/hearing-route.ts";
import { createHttp, plainAddress } from "../../server/http/http.ts";
import { StoreCells } from "../../server/store/cells.ts";
import type { SiteKey } from "../../server/store/keys.ts";
import type { ImageStore } from "../../server/store/store.ts";
import type { StreamHub } from "../../server/stream/hub.ts";
import { streamRoutes } from "../../server/stream/routes.ts";
import { machineMenuOf } from "./boot-menu.ts";
import { bundlesOf } from "./dhcp-wiring.ts";
import type { ordersOf } from "./order-wiring.ts";

type MachineHttp = {
  readonly config: Config;
  readonly db: Database;
  readonly events: EventLog;
  readonly key: SiteKey;
  readonly store: ImageStore;
  readonly hub: StreamHub;
  readonly hosts: Hosts;
  readonly wired: ReturnType<typeof ordersOf>;
  readonly enrolment: Pick<Enrolment, "tokenFor">;
  /** Whether a stream that this server does not send goes on at another one. */
  readonly goesOn: (streamId: string) => Promise<boolean>;
  readonly othersFor: Parameters<typeof agentRoutes>[1]["othersFor"];
  readonly policyOf: (mac: string) => Promise<BootPolicy>;
  readonly trace: BootTrace;
  /** Ours; the list changes in place. */
  readonly addresses: readonly string[];
  readonly bootDirectory: string;
  /** Known when the server listens. */
  readonly httpPort: () => number;
  readonly log: Logger;
  readonly now: () => number;
};

/** All that machines fetch and say by HTTP: boot files, orders and reports, streams, captures. It listens nowhere yet. */
export async function machineHttpOf(about: MachineHttp, parts: AsyncDisposableStack) {
  const { config, db, events, key, store, hub, hosts, wired, enrolment, policyOf, addresses, bootDirectory } = about;
  const { goesOn, othersFor, trace, httpPort, log, now } = about;
  const { values } = config;
  const { orders, reports, alive, deploys, captures, findImage, freeBytes } = wired;
  const http = createHttp(log.child({ part: "http" }));
  parts.defer(() => http.close());
  const interfaceAddressOf = (local: string | undefined) =>
    addresses.find((address) => address === plainAddress(local)) ?? addresses[0]!;
  const hearing = new HearingTests({
    events,
    target: () => ({ group: values["multicast.group"], port: values["multicast.port"] }),
    send: sendHearingTest,
  });
  hearingRoute(http, { hosts, hearing, interfaceAddressOf });
  agentRoutes(http, { hosts, orders, reports, alive, events, hearing, now, interfaceAddressOf, othersFor });
  const isToken = (hostId: string, token: string) => hosts.isApprovedToken(hostId, token);
  await http.register(streamRoutes(hub, { isToken, goesOn }));
  const captureLog = log.child({ part: "capture" });
  const uploads = new CaptureUploads({ store, cells: new StoreCells(store, captureLog), freeBytes });
  const manifests = new CaptureManifests({ db, events, store, siteKey: key, log: captureLog, now });
  await http.register(captureRoutes({ db, hosts, events, uploads, manifests }));
  const bundles = bundlesOf(config, { httpPort, now, log: log.child({ part: "nbi" }) });
  parts.defer(() => bundles.stop());
  const menuLog = log.child({ part: "menu" });
  const menuParts = { hosts, deploys, captures, events, findImage, policyOf, bootDirectory, now, log: menuLog };
  const texts = new BootTexts({
    policyOf,
    get kernelArgs() {
      return values["boot.kernel_args"];
    },
    get passServer() {
      return values["boot.pass_server"];
    },
    enrolmentFor: (mac) => enrolment.tokenFor(mac),
    menu: machineMenuOf(values, menuParts),
  });
  await http.register(bootRoutes, {
    directory: bootDirectory,
    roots: bundles.roots,
    texts,
    trace,
    log: log.child({ part: "boot" }),
  });
  return { http, texts, bundles, hearing };
}
