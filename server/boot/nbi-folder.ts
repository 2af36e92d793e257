import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { Fault } from "../../fault.ts";
import { findBootFile } from "./files.ts";
import type { HostNames } from "./nbi-hosts.ts";
import { type NbiFindings, type NbiPlace, nbiImageOf } from "./nbi-image.ts";
import { isInside, type NbiInfo, nbiInfoOf } from "./nbi-info.ts";
import { parseNbiPlist } from "./nbi-plist.ts";
import { externalRootOf } from "./nbi-root.ts";
import { nbiFault } from "./nbi-values.ts";

/** One `.nbi` folder, and what came of it. */
export type NbiBundle = NbiPlace &
  (
    | { readonly state: "served"; readonly info: NbiInfo; readonly image: NetBootImage }
    /** IsEnabled is false. */
    | { readonly state: "disabled"; readonly info: NbiInfo }
    | { readonly state: "refused"; readonly info?: NbiInfo; readonly faults: readonly Fault[] }
  );

/** A folder that holds bundles, and what clients call it. */
export type NbiShare = { readonly path: string; readonly name: string };

/** One look at a folder. */
export type NbiScan = {
  readonly bundles: readonly NbiBundle[];
  /** What is wrong with the folder itself. */
  readonly faults: readonly Fault[];
};

const PLIST_NAME = "NBImageInfo.plist";
const LARGEST_PLIST_BYTES = 1024 * 1024;
/** More than any picker shows; a list in a packet holds a few dozen. */
export const MOST_BUNDLES = 256;

/** Gives each folder the name that clients know it by: its last part, made unique by a number. */
export function nbiShares(folders: readonly string[]): NbiShare[] {
  const taken = new Set<string>();
  return folders.map((path) => {
    const base = basename(path) || "share";
    let name = base;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${base}-${number}`;
    taken.add(name.toLowerCase());
    return { path, name };
  });
}

/**
 * Reads every bundle directly in a folder, by name. A bundle that cannot be
 * served is told with its reasons and spoils nothing else.
 */
export async function scanNbiShare(
  share: NbiShare,
  options: { readonly httpPort: number; readonly hosts: HostNames },
): Promise<NbiScan> {
  let names: string[];
  try {
    names = (await readdir(share.path)).filter((name) => name.endsWith(".nbi")).sort();
  } catch (error) {
    return { bundles: [], faults: [folderFault(share.path, error)] };
  }
  const faults: Fault[] = [];
  if (share.path.endsWith(".nbi") && names.length === 0) {
    faults.push(
      new Fault("NBI_FOLDER_INVALID", {
        what: `No NetBoot bundle is served from ${share.path}.`,
        why: "It is a bundle itself, and the setting names folders that hold bundles.",
        fix: `Name ${join(share.path, "..")} in bsdp.nbi.`,
      }),
    );
  }
  if (names.length > MOST_BUNDLES) {
    faults.push(
      new Fault("NBI_FOLDER_INVALID", {
        what: `${share.path} holds ${names.length} NetBoot bundles; those behind ${names[MOST_BUNDLES - 1]} are not served.`,
        why: `${MOST_BUNDLES} are looked at, and Macs are shown fewer.`,
        fix: "Move some away.",
      }),
    );
  }
  const bundles: NbiBundle[] = [];
  for (const name of names.slice(0, MOST_BUNDLES)) {
    const place = { share: share.path, shareName: share.name, name };
    const bundle = await readBundle(place, options);
    if (bundle !== undefined) bundles.push(bundle);
  }
  return { bundles, faults };
}

async function readBundle(
  place: NbiPlace,
  { httpPort, hosts }: { readonly httpPort: number; readonly hosts: HostNames },
): Promise<NbiBundle | undefined> {
  const folder = join(place.share, place.name);
  let info: NbiInfo | undefined;
  try {
    if (!(await isBundle(place, folder))) return undefined;
    const read = nbiInfoOf(parseNbiPlist(await readPlist(folder), folder), folder);
    if (!("name" in read)) return { ...place, state: "refused", faults: read };
    info = read;
    if (!info.isEnabled) return { ...place, state: "disabled", info };
    const image = nbiImageOf(info, place, await findingsOf(info, folder, hosts), httpPort);
    if (!("name" in image)) return { ...place, state: "refused", info, faults: image };
    return { ...place, state: "served", info, image };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const fault =
      error instanceof Fault
        ? error
        : nbiFault("NBI_UNREADABLE", folder, why, "Check the permissions of the bundle and the disk it is on.", error);
    return { ...place, state: "refused", ...(info === undefined ? {} : { info }), faults: [fault] };
  }
}

/** False for what is no folder. @throws {Fault} NBI_LINK_OUTSIDE, NBI_NAME_REFUSED */
async function isBundle({ share, name }: NbiPlace, folder: string): Promise<boolean> {
  const home = await realpath(share);
  const real = await realpath(folder);
  if (!(await lstat(real)).isDirectory()) return false;
  if (!real.startsWith(home === sep ? sep : home + sep)) {
    const why = `It is a symbolic link that leads out of ${share}, to ${real}.`;
    throw nbiFault("NBI_LINK_OUTSIDE", folder, why, `Name ${join(real, "..")} in bsdp.nbi, or copy the bundle.`);
  }
  if (!isInside(name)) {
    const why = "Its name has a backslash, a control character or a space at its end, which requests cannot carry.";
    throw nbiFault("NBI_NAME_REFUSED", folder, why, "Give it a plainer name.");
  }
  return true;
}

async function readPlist(folder: string): Promise<Uint8Array> {
  const file = await existing(folder, PLIST_NAME, {
    missing: `It has no ${PLIST_NAME}.`,
    fix: "Copy the whole bundle, or remove the folder.",
  });
  if (file.sizeBytes > LARGEST_PLIST_BYTES) {
    const why = `Its ${PLIST_NAME} has ${file.sizeBytes} bytes; such files have a few thousand.`;
    throw nbiFault("NBI_PLIST_INVALID", folder, why, "Replace it.");
  }
  return readFile(file.path);
}

async function findingsOf(info: NbiInfo, folder: string, hosts: HostNames): Promise<NbiFindings> {
  const bootFiles: Record<string, string> = {};
  for (const architecture of info.architectures) bootFiles[architecture] = await bootFileOf(info, folder, architecture);
  const root = info.rootPath === undefined ? undefined : await rootOf(info, info.rootPath, folder, hosts);
  const { loadBalanceServer: other } = info;
  return {
    bootFiles,
    ...(root === undefined ? {} : { root }),
    ...(other === undefined ? {} : { loadBalanceAddress: await addressOf("LoadBalanceServer", other, folder, hosts) }),
  };
}

async function bootFileOf(info: NbiInfo, folder: string, architecture: string): Promise<string> {
  const path = `${architecture}/${info.bootFile}`;
  // PowerPC bundles of old have their booter at the top.
  if (architecture === "ppc" && (await isThere(folder, info.bootFile)) && !(await isThere(folder, path))) {
    return info.bootFile;
  }
  await existing(folder, path, {
    missing: `Its Architectures has ${architecture}, and there is no ${path}.`,
    fix: `Put the program there, or take ${architecture} out of Architectures (without the key it is ppc).`,
  });
  return path;
}

async function rootOf(
  info: NbiInfo,
  rootPath: string,
  folder: string,
  hosts: HostNames,
): Promise<NonNullable<NbiFindings["root"]>> {
  if (isInside(rootPath) && (await isThere(folder, rootPath))) return { in: "bundle", file: rootPath };
  const external = externalRootOf(info.type, rootPath);
  if (external !== undefined) {
    return { in: "elsewhere", text: external.textFor(await addressOf("RootPath", external.host, folder, hosts)) };
  }
  await existing(folder, rootPath, {
    missing: `Its RootPath is ${JSON.stringify(rootPath)}, and there is no such file in the bundle.`,
    fix:
      info.type === "HTTP"
        ? "Put the disk image there, or give a whole URL, like http://10.0.0.1/x.dmg (https cannot be used)."
        : "Put the disk image there, or give HOST:MOUNT:IMAGE.",
  });
  return { in: "bundle", file: rootPath };
}

async function addressOf(key: string, host: string, folder: string, hosts: HostNames): Promise<string> {
  const address = await hosts.addressOf(host);
  if (address !== undefined) return address;
  const why = `Its ${key} names the server ${host}, which has no IPv4 address.`;
  throw nbiFault("NBI_HOST_UNKNOWN", folder, why, "Correct the name, or write the address.");
}

async function isThere(folder: string, path: string): Promise<boolean> {
  return isInside(path) && (await findBootFile(folder, path.split("/"))) !== undefined;
}

/** @throws {Fault} NBI_FILE_MISSING; NBI_LINK_OUTSIDE when it is there, but not a regular file inside the bundle */
async function existing(folder: string, path: string, told: { readonly missing: string; readonly fix: string }) {
  const file = await findBootFile(folder, path.split("/"));
  if (file !== undefined) return file;
  const isSomething = isInside(path) && (await lstat(join(folder, path)).catch(() => undefined)) !== undefined;
  if (!isSomething) throw nbiFault("NBI_FILE_MISSING", folder, told.missing, told.fix);
  const why = `${path} is no regular file inside the bundle: a link that leads out of it or nowhere, or a folder.`;
  throw nbiFault("NBI_LINK_OUTSIDE", folder, why, "Put the file itself there.");
}

function folderFault(path: string, error: unknown): Fault {
  const { code, message } = error as NodeJS.ErrnoException;
  return new Fault(
    "NBI_FOLDER_INVALID",
    {
      what: `No NetBoot bundle is served from ${path}.`,
      why: code === "ENOENT" ? "There is no such folder." : code === "ENOTDIR" ? "It is no folder." : message,
      fix: "Correct bsdp.nbi, or make the folder; a restart is not needed then.",
    },
    error,
  );
}
