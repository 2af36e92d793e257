import { Fault } from "../../fault.ts";

/** The keys of a plist's dictionary, read one by one; what is wrong with them is collected. */
export class NbiKeys {
  readonly faults: Fault[] = [];
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #folder: string;

  /** @param folder the bundle, for the messages */
  constructor(values: Readonly<Record<string, unknown>>, folder: string) {
    this.#values = values;
    this.#folder = folder;
  }

  /** A text that is not empty; undefined when the key is absent or, as a fault tells, wrong. */
  text(key: string): string | undefined {
    const value = this.#valueOf(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") return this.#wrong(key, "is no text", "Write it as <string>…</string>.");
    if (value === "") return this.#wrong(key, "is empty", "Write something into it, or remove the key.");
    // A name goes into packets and onto screens, a path into requests: nothing there can hold these.
    if (/[\u0000-\u001f\u007f]/.test(value)) {
      return this.#wrong(key, "has control characters in it", "Remove line ends and the like.");
    }
    return value;
  }

  requiredText(key: string, fix: string): string | undefined {
    if (this.#valueOf(key) === undefined) return this.#wrong(key, "is missing", fix);
    return this.text(key);
  }

  flag(key: string): boolean | undefined {
    const value = this.#valueOf(key);
    if (value === undefined || typeof value === "boolean") return value;
    return this.#wrong(key, "is neither true nor false", "Write it as <true/> or <false/>.");
  }

  integer(key: string, least: number, most: number): number | undefined {
    const value = this.#valueOf(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    const why = typeof value === "number" ? `is ${value}` : "is no whole number";
    return this.#wrong(key, why, `Write a whole number from ${least} to ${most}, as <integer>…</integer>.`);
  }

  requiredInteger(key: string, least: number, most: number): number | undefined {
    if (this.#valueOf(key) !== undefined) return this.integer(key, least, most);
    return this.#wrong(key, "is missing", `Write a whole number from ${least} to ${most}, as <integer>…</integer>.`);
  }

  /** A list of texts; an empty one is as good as none. */
  texts(key: string): readonly string[] | undefined {
    const value = this.#valueOf(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.#wrong(key, "is no list", "Write it as <array>…</array>.");
    if (value.every((item) => typeof item === "string" && item !== "")) return value as string[];
    return this.#wrong(key, "has something else than text in it", "Write each item as <string>…</string>.");
  }

  /** Ethernet addresses, lower case with colons; "0:3:93:1:2:3" is how Apple's tools may write one. */
  macs(key: string): readonly string[] | undefined {
    const read = this.texts(key)?.map((text) => ({ text, mac: macOf(text) }));
    const bad = read?.find(({ mac }) => mac === undefined);
    if (bad === undefined) return read?.map(({ mac }) => mac!);
    const why = `has ${JSON.stringify(bad.text)} in it, which is no Ethernet address`;
    return this.#wrong(key, why, "Write addresses like aa:bb:cc:dd:ee:ff.");
  }

  /** Adds a fault about a key that was read. */
  refuse(key: string, why: string, fix: string): void {
    this.#wrong(key, why, fix);
  }

  #valueOf(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }

  #wrong(key: string, why: string, fix: string): undefined {
    this.faults.push(nbiFault("NBI_KEY_INVALID", this.#folder, `Its NBImageInfo.plist: ${key} ${why}.`, fix));
  }
}

/** Why a bundle is not served. */
export function nbiFault(code: string, folder: string, why: string, fix: string, cause?: unknown): Fault {
  return new Fault(code, { what: `The NetBoot bundle ${folder} is not served.`, why, fix }, cause);
}

function macOf(text: string): string | undefined {
  const octets = text.split(/[:-]/);
  if (octets.length !== 6 || !octets.every((octet) => /^[0-9a-f]{1,2}$/i.test(octet))) return undefined;
  return octets.map((octet) => octet.toLowerCase().padStart(2, "0")).join(":");
}
