import type { NetBootType } from "../../bsdp/net-boot-image.ts";

/** A RootPath that names no file of its bundle, but a place on some server. */
export type ExternalRoot = {
  /** Address or name; Apple's server puts the address in, because the Mac's firmware asks no DNS. */
  readonly host: string;
  /** The text for option 17, for the host's address. */
  readonly textFor: (address: string) => string;
  readonly hasPassword: boolean;
};

/**
 * Reads `http://[user:password@]host[:port]/path` or, for NFS,
 * `host:mount[:image]`, where a colon inside a part is written `\:`.
 * Source: bootplib/nbimages.c, parse_http_path and parse_nfs_path.
 */
export function externalRootOf(type: NetBootType, rootPath: string): ExternalRoot | undefined {
  return type === "HTTP" ? httpRootOf(rootPath) : type === "NFS" ? nfsRootOf(rootPath) : undefined;
}

function httpRootOf(text: string): ExternalRoot | undefined {
  const match = /^http:\/\/([^:@/\s]+:[^@/\s]*@)?([A-Za-z0-9.-]{1,253})(?::(\d{1,5}))?\/(\S+)$/.exec(text);
  if (match === null) return undefined;
  const [, login = "", host = "", port, path = ""] = match;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  const portText = port === undefined ? "" : `:${Number(port)}`;
  return {
    host,
    hasPassword: login !== "",
    textFor: (address) => `http://${login}${address}${portText}/${path}`,
  };
}

function nfsRootOf(text: string): ExternalRoot | undefined {
  const parts = text.split(/(?<!\\):/);
  const [host = "", mount = "", image] = parts;
  if (parts.length > 3 || !/^[A-Za-z0-9.-]{1,253}$/.test(host) || !mount.startsWith("/") || image === "") {
    return undefined;
  }
  return {
    host,
    hasPassword: false,
    textFor: (address) => ["nfs", address, mount, ...(image === undefined ? [] : [image])].join(":"),
  };
}
