import { createHash, randomBytes, randomInt } from "node:crypto";

/** Begins every token, so that one that got lost in a file or a log is found. */
const TOKEN_PREFIX = "bct_";
/** No letter or digit that is taken for another one when it is read out or typed (Crockford's base 32). */
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LETTERS = 12;

/** A token for a program: 256 bits. */
export function newToken(): string {
  return TOKEN_PREFIX + newSecret();
}

/** 256 bits as text for a cookie or a header. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** A code that a person can type: 60 bits, like "K7Q2-9FMD-3XWT". */
export function newCode(): string {
  const letters = Array.from({ length: CODE_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  return letters.match(/.{4}/g)!.join("-");
}

/** The same code as it may be typed: small letters, no hyphens, O for 0, I and L for 1. */
export function tidyCode(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, "")
    .replaceAll("O", "0")
    .replaceAll(/[IL]/g, "1");
  return letters.match(/.{1,4}/g)?.join("-") ?? "";
}

/** What is stored of a secret that is long enough not to be guessed: SHA-256, hex. */
export function hashOfSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** What a page sends with each change, beside its cookie. Whoever has only the cookie sent along does not know it. */
export function csrfOf(cookie: string): string {
  return createHash("sha256").update(`csrf ${cookie}`).digest("base64url");
}
