import { Fault } from "../fault.ts";

/**
 * Checks that a stream may be sent to `group`.
 *
 * 224.0.0.0/24 is for routing protocols on the local wire and is never filtered by switches (RFC 5771, section 4): a
 * stream there would flood every port. The same holds for groups that have their Ethernet addresses: 32 groups share
 * each (RFC 1112, section 6.4), and switches filter by that. Groups that other services listen to are theirs.
 *
 * @throws {Fault} GROUP_REFUSED
 */
export function checkGroup(group: string): void {
  const bytes = bytesOf(group);
  if (bytes === undefined) throw refused(group, "It is not an IPv4 address.");
  const [first, second, third] = bytes;
  if (first < 224 || first > 239) throw refused(group, "Multicast groups are 224.0.0.0 to 239.255.255.255.");
  if (first === 224 && second === 0 && third === 0) {
    throw refused(group, "224.0.0.0/24 belongs to routing protocols, and every switch floods it to all ports.");
  }
  if ((second & 0x7f) === 0 && third === 0) {
    throw refused(
      group,
      `On Ethernet it has the address of 224.0.0.${bytes[3]}, which every switch floods to all ports.`,
    );
  }
  if (first === 232) throw refused(group, "232.0.0.0/8 is for receivers that name their sender (RFC 4607).");
  const owner = owners.find(({ groups }) => groups.includes(group))?.service;
  if (owner !== undefined)
    throw refused(group, `It is the group of ${owner}, and machines that listen to it are many.`);
}

/**
 * Why `ttl` is too large, or too small, for what `group` is meant for; undefined when it is not. RFC 2365: 239.0.0.0/8
 * stays inside the organisation. A stream with a TTL of 1 passes no router, with less than 32 by custom no border of a
 * site.
 *
 * @param group one that `checkGroup` takes
 */
export function ttlProblem(group: string, ttl: number): { readonly detail: string; readonly fix: string } | undefined {
  const isPrivate = group.startsWith("239.");
  if (ttl >= MOST_SITE_TTL) {
    return {
      detail: `With a TTL of ${ttl} the stream passes ${ttl - 1} routers: further than a site is wide.`,
      fix: "Take as many as there are routers between the server and its machines, plus one: usually 1 to 3.",
    };
  }
  if (isPrivate || ttl <= 1) return undefined;
  return {
    detail: `${group} is not a private group, and with a TTL of ${ttl} the stream passes routers: it may leave the site.`,
    fix: "Take a group of 239.192.0.0 to 239.195.255.255, or a TTL of 1.",
  };
}

/**
 * The first group after `group` in its /24 that may carry a stream and is not in use, round to its beginning; undefined
 * when there is none.
 */
export function nextFreeGroup(group: string, isTaken: (group: string) => boolean): string | undefined {
  const bytes = bytesOf(group);
  if (bytes === undefined) return undefined;
  const [first, second, third, last] = bytes;
  for (let step = 1; step <= 254; step += 1) {
    const candidate = `${first}.${second}.${third}.${((last + step - 1) % 254) + 1}`;
    if (candidate !== group && isAllowed(candidate) && !isTaken(candidate)) return candidate;
  }
  return undefined;
}

const MOST_SITE_TTL = 32;

/** Of the IANA's list of assigned groups: those that machines on an ordinary network really listen to. */
const owners: readonly { readonly service: string; readonly groups: readonly string[] }[] = [
  { service: "NTP, the time", groups: ["224.0.1.1"] },
  { service: "PTP, the exact time", groups: ["224.0.1.129", "224.0.1.130", "224.0.1.131", "224.0.1.132"] },
  { service: "SLP, the search for services", groups: ["224.0.1.22", "224.0.1.35", "239.255.255.253"] },
  { service: "WINS", groups: ["224.0.1.24"] },
  { service: "multicast routers", groups: ["224.0.1.39", "224.0.1.40"] },
  { service: "printers that are searched for", groups: ["224.0.1.60"] },
  { service: "SIP telephones", groups: ["224.0.1.75"] },
  { service: "KNX, building control", groups: ["224.0.23.12"] },
  { service: "SAP, announced sessions", groups: ["224.2.127.254", "239.195.255.255", "239.255.255.255"] },
  { service: "BitTorrent's local search", groups: ["239.192.152.143"] },
  { service: "SSDP, the search for UPnP devices", groups: ["239.255.255.250"] },
];

type Bytes = readonly [number, number, number, number];

function bytesOf(group: string): Bytes | undefined {
  const bytes = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
    .exec(group)
    ?.slice(1)
    .map(Number);
  if (bytes === undefined || bytes.some((byte) => byte > 255)) return undefined;
  return bytes as unknown as Bytes;
}

function isAllowed(group: string): boolean {
  try {
    checkGroup(group);
    return true;
  } catch {
    return false;
  }
}

function refused(group: string, why: string): Fault {
  return new Fault("GROUP_REFUSED", {
    what: `"${group}" cannot be the group of a stream.`,
    why,
    fix: "Take one that is meant for use inside a site: 239.192.0.0 to 239.195.255.255, for instance 239.192.66.1.",
  });
}
