import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Budget } from "./budget.ts";

/** Of what a card can send, so much is for streams unless told otherwise. */
const SHARE_OF_CARD = 0.9;

/** The budgets of this machine's interfaces, each made when it is first asked for. */
export class InterfaceBudgets {
  readonly #mostBytesPerSecond: number | undefined;
  readonly #budgets = new Map<string, Budget>();

  /** @param mostBytesPerSecond of each interface; nine tenths of what its card can send unless told */
  constructor(mostBytesPerSecond?: number) {
    this.#mostBytesPerSecond = mostBytesPerSecond;
  }

  /** The budget of the interface with this own address. */
  of(interfaceAddress: string): Budget {
    // An interface with several addresses has one budget.
    const name = interfaceWith(interfaceAddress) ?? interfaceAddress;
    const known = this.#budgets.get(name);
    if (known !== undefined) return known;
    const budget = new Budget(this.#mostBytesPerSecond ?? cardBytesPerSecond(name) * SHARE_OF_CARD);
    this.#budgets.set(name, budget);
    return budget;
  }
}

function interfaceWith(address: string): string | undefined {
  const interfaces = Object.entries(networkInterfaces());
  return interfaces.find(([, addresses]) => addresses?.some((one) => one.address === address))?.[0];
}

/** What the card says of its link; without end where it does not know, as loopback and tunnels. */
function cardBytesPerSecond(name: string): number {
  try {
    const megabits = Number(readFileSync(`/sys/class/net/${name}/speed`, "latin1"));
    return megabits > 0 ? (megabits * 1e6) / 8 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
