import type { ConfigValues } from "../../server/config/config.ts";
import type { BootClients } from "../../server/dhcp/boot-clients.ts";
import type { HostBoot } from "../../server/hosts/host-boot-settings.ts";
import type { InterfaceWatch } from "../../server/network/interface-watch.ts";
import { startTftp } from "../../server/tftp/server.ts";
import type { TftpClientSettings, TftpSettings } from "../../server/tftp/settings.ts";
import { startedPerAddress } from "./interface-services.ts";

/** USB-C Ethernet of Macs fails above this (jamf/NetSUS#86, #130). */
const MAC_BLOCK_BYTES = 1460;

type Limits = Pick<
  TftpSettings,
  | "port"
  | "maxBlockSize"
  | "maxWindowSize"
  | "maxTransfers"
  | "maxTransfersPerClient"
  | "networks"
  | "isKnownClient"
  | "settingsFor"
>;

/** What is set for TFTP: for all clients by the configuration, for one by its host. */
export function tftpLimitsOf(
  values: ConfigValues,
  { clients, hostBoot }: { readonly clients: BootClients; readonly hostBoot: HostBoot },
): Limits {
  return {
    port: values["tftp.port"],
    maxBlockSize: values["tftp.block_bytes"],
    maxWindowSize: values["tftp.window"],
    maxTransfers: values["tftp.max_transfers"],
    maxTransfersPerClient: values["tftp.max_per_client"],
    networks: values["tftp.networks"],
    // Behind a relay: it has just asked for an address.
    isKnownClient: (address) => clients.macOf(address) !== undefined,
    async settingsFor(address): Promise<TftpClientSettings | undefined> {
      const mac = clients.macOf(address);
      const own = mac === undefined ? undefined : (await hostBoot.of(mac)).tftp;
      if (!clients.isApple(address)) return own;
      return { ...own, blockBytes: Math.min(own?.blockBytes ?? MAC_BLOCK_BYTES, MAC_BLOCK_BYTES) };
    },
  };
}

/** Serves TFTP at these addresses, and at those that come later. */
export async function tftpOf(
  settings: Omit<TftpSettings, "addresses">,
  parts: AsyncDisposableStack,
  { addresses, watch }: { readonly addresses: readonly string[]; readonly watch: Pick<InterfaceWatch, "follow"> },
) {
  const tftp = await startTftp({ ...settings, addresses: [...addresses] });
  parts.defer(() => tftp.stop());
  const alsoTftp = startedPerAddress("tftp", addresses, ({ address }) =>
    startTftp({ ...settings, addresses: [address], port: tftp.port }),
  );
  parts.defer(() => alsoTftp.stop());
  watch.follow(alsoTftp);
  return tftp;
}
