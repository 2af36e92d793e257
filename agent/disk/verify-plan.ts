import { Fault } from "../../fault.ts";

/** How much of a restored disk is read back: all that the image says, a share of it that a seed chooses, or nothing. */
export type VerifyRule =
  | { readonly how: "whole" }
  | { readonly how: "none" }
  /** `share` is above 0 and below 1. */
  | { readonly how: "sampled"; readonly share: number; readonly seed: number };

/** A failing disk is rarely wrong in one place: of 200 wrong stretches, this misses all in one of 30,000 restores. */
const DEFAULT_SHARE = 0.05;
const MOST_SEED = 0xffff_ffff;

/**
 * Reads "whole", "none", "sampled", "sampled=10%" or, as an order has it, "sampled=10% seed=7".
 *
 * @param newSeed where the text names none
 * @throws {Fault} VERIFY_RULE
 */
export function parseVerifyRule(text: string, newSeed: () => number): VerifyRule {
  if (text === "whole" || text === "none") return { how: text };
  const match = /^sampled(?:=(\d{1,2}(?:\.\d{1,4})?)%)?(?: seed=(\d{1,10}))?$/.exec(text);
  const [, percent, seedText] = match ?? [];
  const share = percent === undefined ? DEFAULT_SHARE : Number(percent) / 100;
  const seed = seedText === undefined ? newSeed() : Number(seedText);
  if (match === null || share <= 0 || seed > MOST_SEED) throw unknownRule(text);
  return { how: "sampled", share, seed };
}

/** As `parseVerifyRule` reads it. */
export function verifyRuleText(rule: VerifyRule): string {
  if (rule.how !== "sampled") return rule.how;
  return `sampled=${Number((rule.share * 100).toFixed(4))}% seed=${rule.seed}`;
}

/**
 * Whether a stretch of the disk is read back. Which ones the seed decides, so that a restore can be judged again with
 * the same ones, and another restore looks at others.
 *
 * @param firstCell of the stretch
 */
export function isSampled({ share, seed }: VerifyRule & { how: "sampled" }, firstCell: number): boolean {
  return mixed(seed, firstCell) < share * 2 ** 32;
}

/** Two numbers as one of 32 bits that looks random (the finaliser of MurmurHash3, by Austin Appleby). */
function mixed(seed: number, value: number): number {
  let hash = Math.imul(seed ^ value, 0xcc9e2d51) ^ Math.floor(value / 2 ** 32);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function unknownRule(text: string): Fault {
  return new Fault("VERIFY_RULE", {
    what: `"${text}" does not say how much of the disk is to be read back.`,
    why: 'It is "whole", "none", "sampled", or "sampled=10%" with up to four decimals.',
    fix: "Correct it, or leave it out: then the whole disk is read back.",
  });
}
