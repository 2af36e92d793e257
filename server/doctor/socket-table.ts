import { readdir, readFile, readlink } from "node:fs/promises";

/** A socket of this machine that listens. */
export type ListeningSocket = {
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  /** The file number by which /proc/PID/fd names it. */
  readonly inode: string;
};

/** Who has a socket open. */
export type SocketOwner = {
  readonly pid: number;
  /** "dnsmasq" */
  readonly name: string;
  /** "dnsmasq.service", where systemd started it. */
  readonly unit?: string;
};

const TCP_LISTEN = "0A";

/** All sockets of this machine that anybody can send to, IPv4 and IPv6. None where there is no /proc. */
export async function listeningSockets(): Promise<ListeningSocket[]> {
  const tables = await Promise.all(
    (["udp", "udp6", "tcp", "tcp6"] as const).map(async (name) => {
      const text = await readFile(`/proc/net/${name}`, "latin1").catch(() => "");
      return parseSocketTable(text, name.startsWith("udp") ? "udp" : "tcp");
    }),
  );
  return tables.flat();
}

/** Reads /proc/net/udp and its like: local address and port in hexadecimal, state, and further back the inode. */
export function parseSocketTable(text: string, protocol: "udp" | "tcp"): ListeningSocket[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.split(":")[1] ?? "", 16);
      if (Number.isNaN(port) || inode === undefined) return [];
      return protocol === "tcp" && state !== TCP_LISTEN ? [] : [{ protocol, port, inode }];
    });
}

/** The sockets that a process has open, by inode; none where this user may not look. */
export async function socketsOf(pid: number | "self"): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const targets = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => "")));
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

/** Who has these sockets open; those that this user may not see are left out. */
export async function ownersOf(inodes: ReadonlySet<string>): Promise<Map<string, SocketOwner>> {
  const owners = new Map<string, SocketOwner>();
  if (inodes.size === 0) return owners;
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    const held = [...(await socketsOf(pid))].filter((inode) => inodes.has(inode));
    if (held.length === 0) continue;
    const owner = await ownerOf(pid);
    for (const inode of held) owners.set(inode, owner);
  }
  return owners;
}

async function ownerOf(pid: number): Promise<SocketOwner> {
  const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() || "a program";
  const groups = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  const unit = /\/([^/\n]+\.service)(?:\/|$)/m.exec(groups)?.[1];
  return { pid, name, ...(unit === undefined ? {} : { unit }) };
}
