import assert from "node:assert/strict";
import { test } from "node:test";
import { tftpLimitsOf } from "../../../cli/serve/tftp-wiring.ts";
import { loadConfig } from "../../../server/config/config.ts";
import { BootClients } from "../../../server/dhcp/boot-clients.ts";
import type { HostBoot } from "../../../server/hosts/host-boot-settings.ts";

test("TFTP for one client: what is set for its host, and smaller blocks for a Mac", async () => {
  const clients = new BootClients(() => 0);
  const hostBoot = {
    of: async (mac: string) => (mac.endsWith("02") ? { tftp: { blockBytes: 1400, windowBlocks: 0 } } : {}),
  } as unknown as HostBoot;
  clients.saw("52:54:00:00:00:01", "10.0.0.1");
  clients.saw("52:54:00:00:00:02", "10.0.0.2");
  clients.saw("52:54:00:00:00:03", "10.0.0.3", true);
  const { settingsFor, isKnownClient, ...limits } = tftpLimitsOf(loadConfig().values, { clients, hostBoot });
  assert.deepEqual(limits, {
    port: 69,
    maxBlockSize: 1468,
    maxWindowSize: 16,
    maxTransfers: 200,
    maxTransfersPerClient: 8,
    networks: [],
  });
  assert.equal(await settingsFor?.("10.0.0.1"), undefined);
  assert.deepEqual(await settingsFor?.("10.0.0.2"), { blockBytes: 1400, windowBlocks: 0 });
  assert.deepEqual(await settingsFor?.("10.0.0.3"), { blockBytes: 1460 });
  assert.equal(await settingsFor?.("10.0.0.9"), undefined);
  assert.equal(isKnownClient?.("10.0.0.1"), true);
  assert.equal(isKnownClient?.("10.0.0.9"), false);
});
