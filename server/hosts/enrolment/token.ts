import { createHmac, timingSafeEqual } from "node:crypto";

/** What a machine showed when it registered: a token that is good now, one from before a renewal, another one, or none. */
export type ShownToken = "right" | "old" | "wrong" | "none";

/** What tokens are made of. */
export type EnrolmentSecret = {
  /** 32 random bytes, base64url. */
  readonly secret: string;
  /** Until when its tokens are good; null: they are today's. */
  readonly untilMs: number | null;
};

/** 128 bits: nobody guesses one, and a kernel's command line has room for it. */
const TOKEN_BYTES = 16;

/** The token that every machine may show: for what is made without knowing the machine, a boot stick. */
export function siteToken(secret: string): string {
  return tokenOf(secret, "site");
}

/** The token that only the machine with this address may show. @param mac lower case with colons */
export function machineToken(secret: string, mac: string): string {
  return tokenOf(secret, `machine ${mac}`);
}

/** What `shown` is for the machine with this address. Takes as long for every wrong one. */
export function shownTokenOf(
  shown: string | undefined,
  about: { readonly mac: string; readonly secrets: readonly EnrolmentSecret[]; readonly nowMs: number },
): ShownToken {
  if (shown === undefined || shown === "") return "none";
  const { mac, secrets, nowMs } = about;
  let found: ShownToken = "wrong";
  for (const { secret, untilMs } of secrets) {
    const isSite = isSame(shown, siteToken(secret));
    const isMachine = isSame(shown, machineToken(secret, mac));
    if (!isSite && !isMachine) continue;
    if (untilMs === null) found = "right";
    else if (nowMs < untilMs && found === "wrong") found = "old";
  }
  return found;
}

function tokenOf(secret: string, about: string): string {
  const key = Buffer.from(secret, "base64url");
  const bytes = createHmac("sha256", key).update(`bootcast enrolment: ${about}`).digest();
  return bytes.subarray(0, TOKEN_BYTES).toString("base64url");
}

function isSame(shown: string, token: string): boolean {
  // The length of a token is no secret.
  const one = Buffer.from(shown);
  const other = Buffer.from(token);
  return one.length === other.length && timingSafeEqual(one, other);
}
