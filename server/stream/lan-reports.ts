import type { BurstResult } from "../../multicast/canary-burst.ts";
import { formatRate } from "../../multicast/rate.ts";
import type { LanFinding } from "./lan-finding.ts";

/** More than this lost of a burst is repaired, but costs everybody time. */
const MUCH_LOSS = 0.05;

/** What receivers say about the network between them and the server, each thing once. */
export class FloodReports {
  #said: boolean | undefined;

  /**
   * @param isFlooded whether the group reached that receiver before it had asked for it; undefined: it does not know
   * @returns what is new
   */
  onReport(name: string, isFlooded: boolean | undefined): LanFinding | undefined {
    if (isFlooded === undefined || this.#said === true || this.#said === isFlooded) return undefined;
    this.#said = isFlooded;
    if (!isFlooded) {
      const detail = `The stream does not reach who did not ask for it: ${name} got nothing before it did.`;
      return { probe: "flooding", status: "ok", detail };
    }
    return {
      probe: "flooding",
      status: "warn",
      detail: `The stream reached ${name} before it had asked for it: a switch sends it to every port, to all machines of this network.`,
      fix: "Switch IGMP snooping on at the switches, and a querier at one of them; or take a low rate.",
    };
  }
}

/** @param nameOf the name of a receiver */
export function burstFinding(
  { answered, asked, lossShare, worst, worstLossShare }: BurstResult,
  rateBytesPerSecond: number,
  nameOf: (id: string) => string,
): LanFinding {
  const rate = formatRate(rateBytesPerSecond);
  if (answered === 0) {
    const detail = `Nobody told of the burst at ${rate} before the first symbol.`;
    return { probe: "canary", status: "warn", detail, fix: "Older agents do not; build the boot image again." };
  }
  const said = `Of a burst at ${rate} ${percent(lossShare)} were lost by ordinary receivers (${answered} of ${asked})`;
  if (worst === undefined || worstLossShare <= MUCH_LOSS) {
    return { probe: "canary", status: "ok", detail: `${said}, ${percent(worstLossShare)} at worst.` };
  }
  return {
    probe: "canary",
    status: "warn",
    detail: `${said}, ${percent(worstLossShare)} by ${nameOf(worst)}.`,
    fix:
      lossShare > MUCH_LOSS
        ? "The network does not take this rate: a lower one loses less and ends sooner."
        : `Look at the cable and the port of ${nameOf(worst)}: the others get it.`,
  };
}

/** @param packetBytes how large the packets were until now */
export function framesFinding(packetBytes: number, why: string): LanFinding {
  return {
    probe: "frames",
    status: "warn",
    detail: `The stream goes by packets of 1500 bytes, not of ${packetBytes}: ${why}.`,
    fix: "For the large ones every card and every port of a switch on the way needs that MTU; --jumbo off does not try them.",
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
