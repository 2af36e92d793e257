import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../fault.ts";

/** Network file systems by the type that statfs(2) gives them (linux/magic.h). Their locks and shared memory are not
 * those that SQLite needs: a database there is damaged one day. */
const networkDisks: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x5346414f, "AFS"],
  [0x564c, "NCP"],
]);

/**
 * @param typeOf the type of the file system that holds a folder; statfs(2) unless given
 * @throws {Fault} DATABASE_ON_NETWORK_DISK
 */
export function refuseNetworkDisk(
  file: string,
  typeOf: (folder: string) => number = (at) => statfsSync(at).type,
): void {
  if (file === ":memory:") return;
  let type: number;
  try {
    type = typeOf(dirname(file));
  } catch {
    // What is wrong with the folder is told when the file is opened.
    return;
  }
  const name = networkDisks.get(type >>> 0);
  if (name === undefined) return;
  throw new Fault("DATABASE_ON_NETWORK_DISK", {
    what: `The database ${file} would be on a network disk (${name}).`,
    why: "SQLite needs locks and shared memory that network disks do not keep: a power cut or a second reader would damage it.",
    fix: 'Put it on a local disk (database.url = "sqlite:/var/lib/bootcast/bootcast.db"), or use PostgreSQL (database.url = "postgres://bootcast@host/bootcast"). "bootcast db move --to URL" takes along what is there.',
  });
}
