import { MAXIMUM_FILE_BYTES } from "../../bsdp/boot-files.ts";
import type { NetBootImage, NetBootRoot } from "../../bsdp/net-boot-image.ts";
import { rootPathText } from "../../bsdp/net-boot-root.ts";
import type { Fault } from "../../fault.ts";
import type { NbiInfo } from "./nbi-info.ts";
import { nbiFault } from "./nbi-values.ts";

/** Where a bundle is. */
export type NbiPlace = {
  /** Absolute path of the folder that holds bundles. */
  readonly share: string;
  /** What clients call that folder. */
  readonly shareName: string;
  /** The bundle's own name, "lab.nbi". */
  readonly name: string;
};

/** What was found on the disk and in the DNS for one bundle. */
export type NbiFindings = {
  /** Path below the bundle of the boot file of each architecture. */
  readonly bootFiles: Readonly<Record<string, string>>;
  /** Absent for BootFileOnly. */
  readonly root?:
    | { readonly in: "bundle"; readonly file: string }
    | { readonly in: "elsewhere"; readonly text: string };
  readonly loadBalanceAddress?: string;
};

/** The longest address; options have one byte for their length. */
const LONGEST_ADDRESS = "255.255.255.255";
const MAXIMUM_OPTION_BYTES = 255;

/** What clients ask for, by TFTP and behind the slash of a URL: "NetBoot/share/lab.nbi". */
export function nbiPrefix({ shareName, name }: Pick<NbiPlace, "shareName" | "name">): string {
  return `NetBoot/${shareName}/${name}`;
}

/**
 * The image that Macs are offered for a bundle.
 *
 * @param httpPort our own, for HTTP root paths; another server that has the files is asked at port 80
 * @returns NBI_PATH_LONG faults where a path does not fit a packet
 */
export function nbiImageOf(
  info: NbiInfo,
  place: NbiPlace,
  found: NbiFindings,
  httpPort: number,
): NetBootImage | readonly Fault[] {
  const faults: Fault[] = [];
  const folder = `${place.share}/${place.name}`;
  const prefix = nbiPrefix(place);
  const bootFiles = Object.fromEntries(
    Object.entries(found.bootFiles).map(([architecture, file]) => [architecture, `${prefix}/${file}`]),
  );
  for (const path of Object.values(bootFiles)) {
    const bytes = Buffer.byteLength(path);
    if (bytes <= MAXIMUM_FILE_BYTES) continue;
    const why = `The TFTP path ${path} has ${bytes} bytes, and a DHCP packet has room for ${MAXIMUM_FILE_BYTES}.`;
    faults.push(nbiFault("NBI_PATH_LONG", folder, why, "Give the bundle or the folder that holds it a shorter name."));
  }
  const root = rootOf(info, place, found, httpPort);
  const rootText = root === undefined ? "" : rootPathText(root, LONGEST_ADDRESS);
  if (Buffer.byteLength(rootText) > MAXIMUM_OPTION_BYTES) {
    const why = `The root path ${rootText} may have ${Buffer.byteLength(rootText)} bytes, and option 17 has room for ${MAXIMUM_OPTION_BYTES}.`;
    faults.push(nbiFault("NBI_PATH_LONG", folder, why, "Give the bundle or its disk image a shorter name."));
  }
  if (faults.length > 0) return faults;
  return {
    index: info.index,
    name: info.name,
    bootFile: bootFiles[info.architectures[0]!]!,
    bootFiles,
    type: info.type,
    kind: info.kind,
    isInstall: info.isInstall,
    isDefault: info.isDefault,
    isFilterOnly: info.isFilterOnly,
    architectures: info.architectures,
    enabledSystemIds: info.enabledSystemIds,
    disabledSystemIds: info.disabledSystemIds,
    enabledMacs: info.enabledMacs,
    disabledMacs: info.disabledMacs,
    ...(found.loadBalanceAddress === undefined ? {} : { loadBalanceServer: found.loadBalanceAddress }),
    ...(root === undefined ? {} : { root }),
  };
}

function rootOf(info: NbiInfo, place: NbiPlace, found: NbiFindings, httpPort: number): NetBootRoot | undefined {
  if (found.root === undefined) return undefined;
  if (found.root.in === "elsewhere") return { form: "text", text: found.root.text };
  const { file } = found.root;
  if (info.type === "NFS") return { form: "nfs", share: place.share, file: `${place.name}/${file}` };
  const path = `/${nbiPrefix(place)}/${file}`.split("/").map(encodeURIComponent).join("/");
  return { form: "http", path, ...(found.loadBalanceAddress === undefined ? { port: httpPort } : {}) };
}
