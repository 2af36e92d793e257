import type { NetBootType } from "../../bsdp/net-boot-image.ts";
import type { Fault } from "../../fault.ts";
import { NbiKeys, nbiFault } from "./nbi-values.ts";

/** What an NBImageInfo.plist says, with the defaults of Apple's server. */
export type NbiInfo = {
  readonly name: string;
  readonly index: number;
  readonly type: NetBootType;
  readonly kind: number;
  /** Path below the folder of each architecture. */
  readonly bootFile: string;
  /** At least one. */
  readonly architectures: readonly string[];
  /** As it is written; only with HTTP and NFS. */
  readonly rootPath?: string;
  readonly isEnabled: boolean;
  readonly isInstall: boolean;
  readonly isDefault: boolean;
  readonly isFilterOnly: boolean;
  readonly enabledSystemIds: readonly string[];
  readonly disabledSystemIds: readonly string[];
  readonly enabledMacs: readonly string[];
  readonly disabledMacs: readonly string[];
  /** Address or name of another server that has the files. */
  readonly loadBalanceServer?: string;
  /** What is served other than its author may think, one sentence each. */
  readonly notes: readonly string[];
};

/** Bytes of a name that a list has room for (bootplib/bsdp.h). */
const MAXIMUM_NAME_BYTES = 246;
const DIAGNOSTICS_KIND = 3;
const types: readonly string[] = ["BootFileOnly", "HTTP", "NFS"] satisfies NetBootType[];

/**
 * Reads the value of an NBImageInfo.plist as Apple's server does, and says more
 * about what is wrong. A key of a wrong type is refused where Apple's server
 * takes the default: an image that was meant to be hidden must not show.
 *
 * Source: apple-oss-distributions/bootp, bootplib/nbimages.c, NBImageEntry_create.
 *
 * @param folder the bundle's path, for the messages
 * @returns all that is wrong at once: NBI_PLIST_INVALID, NBI_CLASSIC, NBI_KEY_INVALID
 */
export function nbiInfoOf(value: unknown, folder: string): NbiInfo | readonly Fault[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    const why = "Its NBImageInfo.plist holds no dictionary.";
    return [nbiFault("NBI_PLIST_INVALID", folder, why, "Write the keys between <dict> and </dict>.")];
  }
  const keys = new NbiKeys(value as Record<string, unknown>, folder);
  const type = keys.requiredText("Type", "Write HTTP, NFS or BootFileOnly.");
  if (type === "Classic") {
    const why = "Its Type is Classic, Mac OS 9, which needs an AFP server for each client's disk.";
    return [nbiFault("NBI_CLASSIC", folder, why, "Serve it with Mac OS X Server, or move it out of the folder.")];
  }
  if (type !== undefined && !types.includes(type)) {
    keys.refuse("Type", `is ${JSON.stringify(type)}`, "Write HTTP, NFS or BootFileOnly.");
  }
  const notes: string[] = [];
  const name = keys.requiredText("Name", "Write the name that people choose it by.");
  if (name !== undefined && Buffer.byteLength(name) > MAXIMUM_NAME_BYTES) {
    notes.push(`its name is cut to ${MAXIMUM_NAME_BYTES} bytes`);
  }
  const kind = keys.integer("Kind", 0, 127);
  if (kind === undefined && type === "BootFileOnly" && !Object.hasOwn(value, "Kind")) {
    keys.refuse("Kind", "is missing, which BootFileOnly needs", "Write <integer>1</integer>, which Macs show.");
  }
  if (kind !== undefined && kind !== 1 && kind !== DIAGNOSTICS_KIND) notes.push(`Macs may not show Kind ${kind}`);
  if (keys.flag("SupportsDiskless") === true) {
    notes.push("SupportsDiskless needs an AFP server, so Macs get no disk for what they write");
  }
  const info = {
    name,
    index: keys.requiredInteger("Index", 1, 65_535),
    type: type as NetBootType | undefined,
    kind: kind ?? 1,
    bootFile: bootFileOf(keys),
    architectures: architecturesOf(keys),
    rootPath: type === "HTTP" || type === "NFS" ? keys.requiredText("RootPath", rootPathFix[type]) : undefined,
    isEnabled: keys.flag("IsEnabled") ?? true,
    isInstall: keys.flag("IsInstall") ?? false,
    isDefault: keys.flag("IsDefault") ?? false,
    isFilterOnly: keys.flag("FilterOnly") ?? kind === DIAGNOSTICS_KIND,
    enabledSystemIds: keys.texts("EnabledSystemIdentifiers") ?? [],
    disabledSystemIds: keys.texts("DisabledSystemIdentifiers") ?? [],
    enabledMacs: keys.macs("EnabledMACAddresses") ?? [],
    disabledMacs: keys.macs("DisabledMACAddresses") ?? [],
    loadBalanceServer: keys.text("LoadBalanceServer"),
    notes,
  };
  if (keys.faults.length > 0) return keys.faults;
  // Without faults every required key was there.
  return info as NbiInfo;
}

const rootPathFix = {
  HTTP: "Name the disk image in the bundle, like NetInstall.dmg, or give a whole URL, like http://10.0.0.1/x.dmg.",
  NFS: "Name the disk image in the bundle, like NetBoot.dmg, or give HOST:MOUNT:IMAGE.",
} as const;

function bootFileOf(keys: NbiKeys): string | undefined {
  const name = keys.requiredText("BootFile", "Write the name of the program in i386/, normally booter.");
  if (name === undefined || isInside(name)) return name;
  keys.refuse("BootFile", `is ${JSON.stringify(name)}`, "Write a plain name, like booter.");
  return undefined;
}

function architecturesOf(keys: NbiKeys): readonly string[] | undefined {
  // Apple's default comes from the time when there was nothing else.
  const names = keys.texts("Architectures") ?? ["ppc"];
  const bad = names.find((name) => name.includes("/") || !isInside(name));
  if (names.length > 0 && bad === undefined) return names;
  const why = bad === undefined ? "is an empty list" : `has ${JSON.stringify(bad)} in it`;
  keys.refuse("Architectures", why, "Write i386, which every Intel Mac is.");
  return undefined;
}

/** True for a path that stays below the folder that it is looked for in, and that a request by TFTP can carry. */
export function isInside(path: string): boolean {
  const parts = path.split("/");
  const isPlain = (part: string) => part !== "" && part !== "." && part !== ".." && part.trimEnd() === part;
  return parts.every(isPlain) && !/[\\\u0000-\u001f\u007f]/.test(path);
}
