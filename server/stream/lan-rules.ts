import { Fault } from "../../fault.ts";
import { SYMBOL_BYTES } from "../../multicast/description.ts";
import { ttlProblem } from "../../multicast/group.ts";
import { PACKET_HEADER_BYTES } from "../../multicast/packet.ts";
import { formatRate } from "../../multicast/rate.ts";
import type { LanFinding } from "./lan-finding.ts";
import type { LanInterface } from "./lan-interface.ts";

/** IPv4 and UDP. */
const HEADERS_BYTES = 28;
/** More of a link than this leaves its neighbours nothing. */
const MOST_OF_LINK = 0.9;

export type WantedStream = {
  readonly group: string;
  readonly port: number;
  readonly ttl: number;
  readonly rateBytesPerSecond: number;
};

/**
 * Wi-Fi sends multicast without acknowledgement and at its slowest rate (RFC 9119): a stream there loses much and takes
 * the air from everybody.
 *
 * @throws {Fault} WIFI_REFUSED
 */
export function refuseWireless({ name, wireless }: LanInterface): void {
  if (wireless.length === 0) return;
  const where = wireless.includes(name) ? `${name} is a wireless card` : `${name} leads to ${wireless.join(", ")}`;
  throw new Fault("WIFI_REFUSED", {
    what: `The stream is not sent through ${name}.`,
    why: `${where}. Wi-Fi sends multicast at its slowest rate and without repeating it: it is lost, and nobody else gets air.`,
    fix: 'Connect the server by cable, or allow it: --allow-wifi, or "multicast.allow_wifi = true".',
  });
}

/** What is known before anything was heard or sent. */
export function findingsOfInterface(lan: LanInterface, wanted: WantedStream): LanFinding[] {
  return [linkFinding(lan, wanted), scopeFinding(wanted), ...(lan.bridge === undefined ? [] : [bridgeFinding(lan)])];
}

function linkFinding(lan: LanInterface, { rateBytesPerSecond }: WantedStream): LanFinding {
  const { name, speedMegabits, mtuBytes } = lan;
  const warn = (detail: string, fix: string): LanFinding => ({ probe: "link", status: "warn", detail, fix });
  if (!lan.hasCarrier) return warn(`${name} has no link.`, "Plug its cable in, and switch the switch on.");
  const datagramBytes = SYMBOL_BYTES + PACKET_HEADER_BYTES + HEADERS_BYTES;
  if (mtuBytes < datagramBytes) {
    return warn(
      `${name} carries packets of ${mtuBytes} bytes, and the stream's have ${datagramBytes}: each goes in pieces, and is lost with any of them.`,
      `Raise it ("ip link set ${name} mtu 1500") if the network can, or send through another interface.`,
    );
  }
  if (lan.isHalfDuplex) {
    return warn(
      `${name} runs half duplex: the stream and the answers to it collide.`,
      "Let both ends negotiate, or replace the hub by a switch.",
    );
  }
  if (speedMegabits !== undefined && rateBytesPerSecond * 8 > speedMegabits * 1e6 * MOST_OF_LINK) {
    const fits = formatRate(Math.floor((speedMegabits * 1e6 * MOST_OF_LINK) / 8));
    return warn(
      `The rate of ${formatRate(rateBytesPerSecond)} fills the link of ${name}, which has ${speedMegabits} Mbit/s.`,
      `Take at most ${fits}, so that others still get through.`,
    );
  }
  const speed = speedMegabits === undefined ? "a link" : `${speedMegabits} Mbit/s`;
  return { probe: "link", status: "ok", detail: `${name} has ${speed} and packets of ${mtuBytes} bytes.` };
}

function scopeFinding({ group, ttl }: WantedStream): LanFinding {
  const problem = ttlProblem(group, ttl);
  if (problem !== undefined) return { probe: "scope", status: "warn", ...problem };
  const reach = ttl <= 1 ? "stays in its own network" : `passes ${ttl - 1} routers at most`;
  return { probe: "scope", status: "ok", detail: `${group} with a TTL of ${ttl} ${reach}.` };
}

function bridgeFinding({ name, bridge }: LanInterface): LanFinding {
  if (bridge?.snoops === true) {
    return {
      probe: "flooding",
      status: "ok",
      detail: `${name}, this machine's own switch, sends a group only where it is wanted.`,
    };
  }
  return {
    probe: "flooding",
    status: "warn",
    detail: `${name}, this machine's own switch, sends every group to all its ports.`,
    fix: `Switch snooping and its querier on: "ip link set ${name} type bridge mcast_snooping 1 mcast_querier 1".`,
  };
}

/** What was heard on the wire before anything was sent. */
export type Heard = {
  /** The first querier that asked anything. */
  readonly querier?: { readonly address: string; readonly version: number };
  /** Who sends to the group now, and to which port. */
  readonly sender?: { readonly address: string; readonly port: number };
};

/** @param heard undefined where this process may not listen below IP */
export function querierFinding(heard: Heard | undefined, waitedMs: number): LanFinding {
  if (heard === undefined) {
    return {
      probe: "querier",
      status: "warn",
      detail: "Whether the network has an IGMP querier is not known.",
      fix: "Run it as root, with the optional package koffi installed, to find out.",
    };
  }
  const { querier } = heard;
  if (querier !== undefined) {
    const detail = `${querier.address === "0.0.0.0" ? "A switch" : querier.address} asks who listens (IGMP version ${querier.version}).`;
    return { probe: "querier", status: "ok", detail };
  }
  return {
    probe: "querier",
    status: "warn",
    detail: `No IGMP querier answered within ${Math.ceil(waitedMs / 1000)} s: switches then send the stream to every port, or to none after some minutes.`,
    fix: "Switch on the IGMP querier of one switch or router of this network, and IGMP snooping on all switches.",
  };
}

/** @throws {Fault} GROUP_TAKEN */
export function refuseTaken(group: string, by: string): never {
  throw new Fault("GROUP_TAKEN", {
    what: `The stream is not sent to ${group}.`,
    why: `${by}.`,
    fix: "Give another group, or leave it out: then a free one is taken.",
  });
}

export function groupFinding(group: string, wanted: string, by: string | undefined): LanFinding {
  if (by === undefined) return { probe: "group", status: "ok", detail: `Nobody else sends to ${group}.` };
  if (group !== wanted) {
    return { probe: "group", status: "ok", detail: `${by}; so this stream takes ${group}.` };
  }
  return {
    probe: "group",
    status: "warn",
    detail: `${by}, and the receivers of this stream already listen there.`,
    fix: "Stop the other sender, or give it another group: each receiver hears both.",
  };
}
