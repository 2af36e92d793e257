import type { NetBootRoot } from "./net-boot-image.ts";

/**
 * Option 17 as text, for a client that uses this server.
 * Source: apple-oss-distributions/bootp, bsdpd.c and rc.netboot: the part behind
 * an NFS share is set off by a colon, so colons inside the parts are escaped.
 */
export function rootPathText(root: NetBootRoot, serverAddress: string): string {
  switch (root.form) {
    case "text":
      return root.text;
    case "http":
      return `http://${serverAddress}${root.port === undefined || root.port === 80 ? "" : `:${root.port}`}${root.path}`;
    case "nfs":
      return `nfs:${serverAddress}:${escaped(root.share)}:${escaped(root.file)}`;
  }
}

const escaped = (part: string): string => part.replaceAll(":", "\\:");
