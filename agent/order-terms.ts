import { Fault } from "../fault.ts";
import type { FitOrder } from "../images/disk-fit/plan.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Manifest } from "../images/manifest.ts";
import { type Report, scriptsDigest } from "./contract.ts";
import type { DeployOrder } from "./deploy-order.ts";
import { type DiskTerms, defaultTerms } from "./disk/choice.ts";
import { parseDiskRule } from "./disk/rule.ts";
import { parseVerifyRule, type VerifyRule } from "./disk/verify-plan.ts";

/**
 * @param image what the order puts on the disk, once that is known
 * @throws {Fault} DISK_RULE when the server's rule is one that this agent does not understand
 */
export function termsOf({ terms }: DeployOrder, image?: Pick<Manifest, "partitions">): DiskTerms {
  if (terms === undefined) return defaultTerms;
  const { confirmed, known, resumes = "" } = terms;
  const begun = image === undefined ? {} : { begun: { disk: resumes, partitions: image.partitions } };
  return { rule: parseDiskRule(terms.disk), confirmed, known, ...begun };
}

/**
 * Only what lies in the terms is signed; the order's other words can be put in, changed or taken out by anybody on the
 * way. Scripts and the restored system's call are signed by themselves, so here it only counts whether they are those
 * that the terms speak of.
 *
 * @param mac this machine's
 * @throws {Fault} ORDER_CHANGED when the order says one thing and its terms another. A server of before signs less
 */
export function checkUnchanged({ deployId, hostName, scripts, alive, terms }: DeployOrder, mac: string): void {
  const named = terms?.hostName ?? hostName;
  if (named !== hostName) {
    throw orderChanged(
      "The order calls this host by two names",
      `One is "${hostName}", and the one that is to be signed is "${named}"`,
    );
  }
  if (terms?.scripts !== undefined) {
    if (scripts === undefined) {
      throw orderChanged("The order has lost its scripts", "It says that there are some, and there are none");
    }
    if (scriptsDigest({ mac, deployId, list: scripts.list }) !== terms.scripts) {
      throw orderChanged("The order has other scripts than it says", "They may be those of an older order");
    }
  }
  if (terms?.alive === true && alive === undefined) {
    throw orderChanged(
      "The order does not say how the restored system is to say that it is up",
      "It says that the system is to do so",
    );
  }
}

function orderChanged(what: string, why: string): Fault {
  return new Fault("ORDER_CHANGED", {
    what: `${what}, so it was not carried out.`,
    why: `${why}: something changed the order on its way.`,
    fix: "Look for other servers and devices on this network that change what machines are told, and order it again.",
  });
}

/** What the server counts of a restore that kept something. */
export function keptOf(held: HeldCells | undefined): Pick<Report, "kept"> {
  if (held === undefined) return {};
  const { keptBytes, neededBytes } = held.count();
  return { kept: { bytes: keptBytes, receivedBytes: neededBytes } };
}

/** @throws {Fault} VERIFY_RULE when the server's rule is one that this agent does not understand */
export function verifyRuleOf({ terms }: DeployOrder): VerifyRule {
  // An order names its seed.
  return parseVerifyRule(terms?.verify ?? "whole", () => 0);
}

export function verifiedLine(rule: VerifyRule, repaired: number): string {
  if (rule.how === "none") return "not read back, as ordered";
  if (repaired > 0) return `${repaired} cells had to be written again`;
  return rule.how === "whole"
    ? "every cell is right"
    : `every cell of ${Number((rule.share * 100).toFixed(4))} % of the disk is right`;
}

/** What becomes of the disk. A server of before says nothing of it: then everything stays as in the image. */
export function fitOrderOf({ deployId, terms }: DeployOrder, mac: string): FitOrder {
  return { grow: terms?.grow ?? "keep", ids: terms?.ids ?? "keep", seed: `${deployId} ${mac}` };
}
