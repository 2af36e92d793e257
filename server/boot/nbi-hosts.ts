import { lookup } from "node:dns/promises";
import { isAddress } from "../../bsdp/address.ts";

const DEADLINE_MS = 2000;
const KEPT_MS = 300_000;
/** A name that was not found may be put right at any time. */
const FAILURE_KEPT_MS = 30_000;
const MOST_NAMES = 1000;

/** The addresses of other servers that bundles name. Each is asked for at most once in a while. */
export class HostNames {
  readonly #known = new Map<string, { readonly address: string | undefined; readonly untilMs: number }>();
  readonly #lookup: (name: string) => Promise<string>;
  readonly #now: () => number;

  /** @param ask the system's resolver by default */
  constructor(now: () => number, ask: (name: string) => Promise<string> = systemLookup) {
    this.#now = now;
    this.#lookup = ask;
  }

  /** The IPv4 address of a name, or the address itself; undefined when there is none, or no answer in 2 s. */
  async addressOf(name: string): Promise<string | undefined> {
    if (isAddress(name)) return name;
    const known = this.#known.get(name);
    if (known !== undefined && this.#now() < known.untilMs) return known.address;
    const address = await this.#ask(name);
    if (this.#known.size >= MOST_NAMES) this.#known.clear();
    this.#known.set(name, { address, untilMs: this.#now() + (address === undefined ? FAILURE_KEPT_MS : KEPT_MS) });
    return address;
  }

  async #ask(name: string): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, DEADLINE_MS, undefined);
    });
    try {
      return await Promise.race([this.#lookup(name).catch(() => undefined), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function systemLookup(name: string): Promise<string> {
  return (await lookup(name, { family: 4 })).address;
}
