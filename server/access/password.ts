import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { Fault } from "../../fault.ts";

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

const LEAST_LETTERS = 10;
const MOST_LETTERS = 256;
const HASH_BYTES = 32;
/** 64 MiB and a fifth of a second: what a guess costs. */
const COST = { N: 2 ** 16, r: 8, p: 1 } as const;
/** Of these at the same time; whoever guesses cannot take the machine's memory and cores. */
const MOST_AT_ONCE = 2;
const MOST_WAITING = 32;

/** @throws {Fault} PASSWORD_INVALID */
export function checkPassword(password: string, user: string): void {
  const letters = [...password].length;
  const why =
    letters < LEAST_LETTERS
      ? `It has ${letters} letters; ${LEAST_LETTERS} are the least.`
      : letters > MOST_LETTERS
        ? `It has more than ${MOST_LETTERS} letters.`
        : password.toLowerCase().includes(user.toLowerCase()) && letters < user.length + LEAST_LETTERS
          ? "It is little more than the name of the user."
          : new Set(password).size < 4
            ? "It is the same letter over and over."
            : undefined;
  if (why === undefined) return;
  throw new Fault("PASSWORD_INVALID", {
    what: "This password cannot be used.",
    why,
    fix: "Take several words that do not belong together.",
  });
}

/** Passwords as they are stored, "scrypt$16$8$1$SALT$HASH", with few computed at a time. */
export class Passwords {
  readonly #cost: { readonly N: number; readonly r: number; readonly p: number };
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param cost scrypt's, for tests */
  constructor(cost: { readonly N: number; readonly r: number; readonly p: number } = COST) {
    this.#cost = cost;
  }

  async hash(password: string): Promise<string> {
    const { N, r, p } = this.#cost;
    const salt = randomBytes(16);
    const hash = await this.#derive(password, salt, this.#cost);
    return ["scrypt", Math.log2(N), r, p, salt.toString("base64url"), hash.toString("base64url")].join("$");
  }

  /**
   * Whether this is the password. Without a stored one it takes as long and answers no, so that nobody learns which
   * users there are.
   *
   * @throws {Fault} LOGIN_THROTTLED when too many are being checked
   */
  async isRight(password: string, stored: string | null): Promise<boolean> {
    const [, logN, r, p, salt = "", hash = ""] = stored?.split("$") ?? [];
    const cost = stored === null ? this.#cost : { N: 2 ** Number(logN), r: Number(r), p: Number(p) };
    const derived = await this.#derive(password, Buffer.from(salt, "base64url"), cost);
    const expected = Buffer.from(hash, "base64url");
    return expected.length === derived.length && timingSafeEqual(expected, derived);
  }

  async #derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
    if (this.#running >= MOST_AT_ONCE) {
      if (this.#waiting.length >= MOST_WAITING) {
        throw new Fault("LOGIN_THROTTLED", {
          what: "Too many people log in at this moment.",
          why: `${MOST_WAITING} passwords wait to be checked.`,
          fix: "Try again in a few seconds.",
        });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      // The same letters may come in another form from another keyboard.
      return await derive(password.normalize("NFKC"), salt, HASH_BYTES, { ...cost, maxmem: 256 * cost.N * cost.r });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
