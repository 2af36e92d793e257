import type { BootFiles } from "./boot-files.ts";
import { loaderUrl, MAXIMUM_FILE_BYTES, scriptUrl } from "./boot-files.ts";
import type { LoopVerdict } from "./loop-guard.ts";
import type { BootPolicy } from "./policy.ts";
import type { PxeClient } from "./pxe-client.ts";

/** What a PXE client is given to boot, or why nothing. */
export type BootChoice =
  | {
      readonly type: "boot";
      /** `loader` is our first program; `script` is what iPXE does next. */
      readonly what: "loader" | "script";
      /** Name for TFTP, or a whole URL. */
      readonly file: string;
      /** The loader's path, for the loop guard; empty for a script. */
      readonly loader: string;
      readonly vendorClass: "PXEClient" | "HTTPClient";
      /** BIOS firmware must be told not to look for further boot servers. */
      readonly skipsDiscovery: boolean;
    }
  | { readonly type: "nothing"; readonly reason: string };

const nothing = (reason: string): BootChoice => ({ type: "nothing", reason });

/**
 * Chooses what a client boots. The order of the tests matters: our own iPXE,
 * another iPXE, firmware with HTTP boot, plain firmware.
 *
 * @param serverAddress our address that the client can reach
 * @param loop what the loop guard says about this machine's loader
 */
export function chooseBoot(
  client: PxeClient,
  policy: BootPolicy,
  files: BootFiles,
  serverAddress: string,
  loop: LoopVerdict = "loader",
): BootChoice {
  if (policy.boot === "nothing") return nothing(policy.reason);
  const script = (): BootChoice => {
    const file = scriptUrl(serverAddress, files.httpPort, client.mac);
    return { type: "boot", what: "script", file, loader: "", vendorClass: "PXEClient", skipsDiscovery: false };
  };
  if (client.kind === "ours" || client.kind === "ipxe") return script();
  if (client.platform === undefined) return nothing(`no loader for architecture ${client.architecture ?? "unknown"}`);
  const isForDisk = policy.boot === "disk";
  const loader = (isForDisk ? files.diskLoaders : files.loaders)[client.platform];
  if (loader === undefined) {
    return nothing(isForDisk ? "boots its own disk" : `there is no boot file for ${client.platform}`);
  }
  if (loop === "stop") return nothing("it loaded the same loader again and again");
  if (client.kind === "http") {
    const file = loaderUrl(serverAddress, files.httpPort, loader);
    return { type: "boot", what: "loader", file, loader, vendorClass: "HTTPClient", skipsDiscovery: false };
  }
  if (loop === "script" && !isForDisk) return script();
  // iPXE's idea of the server may be the router's address: the whole URL leaves no doubt.
  const file = client.kind === "small-ipxe" ? `tftp://${serverAddress}/${loader}` : loader;
  if (file.length > MAXIMUM_FILE_BYTES) return nothing("the loader's path is longer than 127 bytes");
  return {
    type: "boot",
    what: "loader",
    file,
    loader,
    vendorClass: "PXEClient",
    // Not for UEFI: with option 43 EDK2 may drop the whole offer (tianocore/edk2#6944).
    skipsDiscovery: client.kind === "pxe" && client.platform === "bios",
  };
}
