import { addressNumber, isAddress } from "../../bsdp/address.ts";
import { Fault } from "../../fault.ts";

/** Which hosts an order to any host that appears is for; what is absent does not matter. */
export type AnyLimits = {
  /** The network that they speak from: "10.1.0.0/24". */
  readonly network?: string | undefined;
  /** Their model, in any case, "*" for any letters: "iMac*". */
  readonly model?: string | undefined;
  /** So many of them. */
  readonly most?: number | undefined;
  /** Those that appear before this time. */
  readonly untilMs?: number | undefined;
};

/** What is known of a host that appears. */
export type Appeared = {
  readonly model: string;
  /** The IPv4 address that it spoke from last; null: not known. */
  readonly address: string | null;
};

/**
 * Whether the host is one of those that are meant.
 *
 * @returns undefined when only its address would tell, and that is not known
 */
export function isMeant({ network, model }: AnyLimits, host: Appeared): boolean | undefined {
  if (model !== undefined && !matchesPattern(host.model, model)) return false;
  if (network === undefined) return true;
  return host.address === null ? undefined : isIn(host.address, network);
}

/** Whether nobody else is taken: there were enough, or the time is over. */
export function isFull({ most, untilMs }: AnyLimits, taken: number, nowMs: number): boolean {
  return (most !== undefined && taken >= most) || (untilMs !== undefined && nowMs >= untilMs);
}

/** Two such orders may stand side by side only where both say which hosts they mean. */
export function isForAll({ network, model }: AnyLimits): boolean {
  return network === undefined && model === undefined;
}

/** @throws {Fault} DEPLOY_INVALID */
export function checkLimits({ network, model }: AnyLimits): void {
  if (network !== undefined && rangeOf(network) === undefined) {
    throw invalid(`"${network}" is not a network.`, 'Write it with its length, like "10.1.0.0/24".');
  }
  if (model !== undefined && model.trim() === "") throw invalid("The model is empty.", 'Write one like "iMac*".');
}

/** "of the network 10.1.0.0/24, of the model iMac*, at most 20": what a person reads; empty: every host. */
export function limitsText({ network, model, most }: AnyLimits): string {
  const parts = [
    ...(network === undefined ? [] : [`in the network ${network}`]),
    ...(model === undefined ? [] : [`of the model ${model}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
  ];
  return parts.join(", ");
}

/** Each part is looked for once, behind the one before it: a pattern of many "*" costs no more than one of few. */
function matchesPattern(text: string, pattern: string): boolean {
  const letters = text.toLowerCase();
  const [first = "", ...between] = pattern.toLowerCase().split("*");
  const last = between.pop();
  if (last === undefined) return letters === first;
  if (!letters.startsWith(first)) return false;
  let at = first.length;
  for (const part of between) {
    const found = letters.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at + last.length <= letters.length && letters.endsWith(last);
}

function isIn(address: string, network: string): boolean {
  const range = rangeOf(network);
  return (
    range !== undefined && isAddress(address) && (addressNumber(address) & range.mask) === (range.first & range.mask)
  );
}

function rangeOf(network: string): { readonly first: number; readonly mask: number } | undefined {
  const [, address = "", length = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(network) ?? [];
  if (!isAddress(address) || length === "" || Number(length) > 32) return undefined;
  // A shift by 32 is none in JavaScript.
  return { first: addressNumber(address), mask: Number(length) === 0 ? 0 : -1 << (32 - Number(length)) };
}

function invalid(why: string, fix: string): Fault {
  return new Fault("DEPLOY_INVALID", { what: "This order cannot be given.", why, fix });
}
