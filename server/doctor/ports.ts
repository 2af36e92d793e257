import type { Finding } from "./finding.ts";
import { type ListeningSocket, listeningSockets, ownersOf, type SocketOwner, socketsOf } from "./socket-table.ts";

/** A port that the server needs, or has. */
export type WantedPort = {
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  /** "DHCP", "TFTP": what it is for. */
  readonly use: string;
  /** The setting that moves it, or gives it up. */
  readonly setting: string;
  /** Others may listen there, too: multicast DNS. */
  readonly isShared?: boolean;
};

/** Looks who listens on the ports that we need. @param ownPid the server's; undefined: it does not run */
export async function lookAtPorts(wanted: readonly WantedPort[], ownPid: number | undefined): Promise<Finding[]> {
  const all = (await listeningSockets()).filter(({ protocol, port }) =>
    wanted.some((one) => one.protocol === protocol && one.port === port),
  );
  const own = ownPid === undefined ? new Set<string>() : await socketsOf(ownPid === process.pid ? "self" : ownPid);
  const others = all.filter(({ inode }) => !own.has(inode));
  const owners = await ownersOf(new Set(others.map(({ inode }) => inode)));
  return portFindings(wanted, others, owners, ownPid === undefined ? "free" : "ours");
}

/**
 * @param others sockets that are not the server's
 * @param owners of those that this user may see
 */
export function portFindings(
  wanted: readonly WantedPort[],
  others: readonly ListeningSocket[],
  owners: ReadonlyMap<string, SocketOwner>,
  restIs: "free" | "ours" = "ours",
): Finding[] {
  const free: string[] = [];
  const found = wanted.flatMap((one): Finding[] => {
    const name = `${one.port}/${one.protocol}`;
    const held = others.filter(({ protocol, port }) => protocol === one.protocol && port === one.port);
    const holders = held.map(({ inode }) => owners.get(inode));
    if (held.length === 0) {
      free.push(name);
      return [];
    }
    const told = tellOwners(holders);
    if (one.isShared === true) {
      return [
        { probe: `port ${name}`, status: "ok", detail: `${told} listens there as well, and ${one.use} is shared.` },
      ];
    }
    const detail = `${told} listens on the port for ${one.use}.`;
    return [
      {
        probe: `port ${name}`,
        status: "fail",
        detail,
        fix: fixOf(
          one,
          holders.find((owner) => owner !== undefined),
        ),
      },
    ];
  });
  const rest: Finding[] =
    free.length === 0 ? [] : [{ probe: "ports", status: "ok", detail: `${free.join(", ")}: ${restIs}.` }];
  return [...rest, ...found];
}

function tellOwners(owners: readonly (SocketOwner | undefined)[]): string {
  const names = owners.map((owner) => (owner === undefined ? "Another program" : `${owner.name} (pid ${owner.pid})`));
  return [...new Set(names)].join(", ");
}

function fixOf({ protocol, port, setting }: WantedPort, owner: SocketOwner | undefined): string {
  if (owner?.unit !== undefined) return `sudo systemctl disable --now ${owner.unit}, or change ${setting}`;
  if (owner !== undefined) return `Stop it (sudo kill ${owner.pid}), or change ${setting}`;
  return `Find it with "sudo ss -lnp${protocol === "udp" ? "u" : "t"} sport = :${port}" and stop it, or change ${setting}`;
}
