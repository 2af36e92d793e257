import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A user of the system. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string };

/** Reads /etc/passwd: whoever comes from elsewhere (LDAP) is not in it. */
export function parseAccounts(text: string): Account[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid, , home] = line.split(":");
    if (name === undefined || name === "" || home === undefined) return [];
    const account = { name, uid: Number(uid), gid: Number(gid), home };
    return Number.isInteger(account.uid) && Number.isInteger(account.gid) ? [account] : [];
  });
}

/** The users of this system, or of the one below `root`; none where there is no such file. */
export function readAccounts(root = "/"): Account[] {
  try {
    return parseAccounts(readFileSync(join(root, "etc/passwd"), "utf8"));
  } catch {
    return [];
  }
}
