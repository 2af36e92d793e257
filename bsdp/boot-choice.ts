import type { BootFiles } from "./boot-files.ts";
import { loaderUrl, MAXIMUM_FILE_BYTES, RASPBERRY_PI_FILES, scriptUrl } from "./boot-files.ts";
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

type LoaderPolicy = Exclude<BootPolicy, { boot: "nothing" }>;

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
  if (client.kind === "raspberry") return raspberryChoice(policy, files, loop);
  const found = loaderFor(client, policy, files);
  if (typeof found !== "string") return found;
  const loader = found;
  if (loop === "stop") return nothing("it loaded the same loader again and again");
  if (client.kind === "http") {
    const file = loaderUrl(serverAddress, files.httpPort, loader);
    return { type: "boot", what: "loader", file, loader, vendorClass: "HTTPClient", skipsDiscovery: false };
  }
  if (loop === "script" && policy.boot !== "disk") return script();
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

/** The first program: this machine's own, else by architecture, else by platform; or why there is none. */
function loaderFor(client: PxeClient, policy: LoaderPolicy, files: BootFiles): string | BootChoice {
  const { architecture, platform } = client;
  const isForDisk = policy.boot === "disk";
  const secure = policy.secureBoot === true && platform !== undefined ? files.secureLoaders[platform] : undefined;
  // What starts the disk is a program of ours; without Secure Boot no other is known to do that.
  const forDisk = secure ?? (platform === undefined ? undefined : files.diskLoaders[platform]);
  if (isForDisk) return forDisk ?? nothing("boots its own disk");
  const configured = architecture === undefined ? undefined : files.architectureLoaders?.[architecture];
  if (policy.loader === undefined && configured === "") return nothing(`architecture ${architecture} is switched off`);
  const loader = policy.loader ?? configured ?? secure;
  if (loader !== undefined) return loader;
  if (platform === undefined) return nothing(`no loader for architecture ${architecture ?? "unknown"}`);
  // For BIOS and for 32-bit UEFI nothing is signed by anybody: if the firmware checks, it says so itself.
  if (policy.secureBoot === true && (platform === "x64" || platform === "arm64")) {
    return nothing(`there is no signed boot file for ${platform}`);
  }
  return files.loaders[platform] ?? nothing(`there is no boot file for ${platform}`);
}

/** A Raspberry Pi asks for files by names of its own; it needs only the server's address and its menu text. */
function raspberryChoice(policy: LoaderPolicy, files: BootFiles, loop: LoopVerdict): BootChoice {
  if (policy.boot === "disk") return nothing("boots its own disk");
  if (files.hasRaspberryPi !== true) return nothing("there is no boot file for a Raspberry Pi");
  if (loop === "stop") return nothing("it loaded the same loader again and again");
  const vendorClass = "PXEClient";
  return { type: "boot", what: "loader", file: "", loader: RASPBERRY_PI_FILES, vendorClass, skipsDiscovery: false };
}
