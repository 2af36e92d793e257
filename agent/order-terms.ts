import { Fault } from "../fault.ts";
import type { FitOrder } from "../images/disk-fit/plan.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Report } from "./contract.ts";
import type { DeployOrder } from "./deploy-order.ts";
import { type DiskTerms, defaultTerms } from "./disk-choice.ts";
import { parseDiskRule } from "./disk-rule.ts";
import { parseVerifyRule, type VerifyRule } from "./verify-plan.ts";

/** @throws {Fault} DISK_RULE when the server's rule is one that this agent does not understand */
export function termsOf({ terms }: DeployOrder): DiskTerms {
  if (terms === undefined) return defaultTerms;
  return { rule: parseDiskRule(terms.disk), confirmed: terms.confirmed, known: terms.known };
}

/**
 * Only what lies in the terms is signed; the order's other words can be put in by anybody on the way.
 *
 * @throws {Fault} ORDER_CHANGED when the order has another name for the host. A server of before signs none
 */
export function checkName({ hostName, terms }: DeployOrder): void {
  const signed = terms?.hostName ?? hostName;
  if (signed === hostName) return;
  throw new Fault("ORDER_CHANGED", {
    what: "The order calls this host by two names, so it was not carried out.",
    why: `One is "${hostName}", and the one that is to be signed is "${signed}": something changed the order on its way.`,
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
