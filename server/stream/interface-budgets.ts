import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Budget } from "./budget.ts";
import { InterfaceTraffic, sentBytesOf } from "./interface-traffic.ts";

/** Of what a card can send, so much is for streams unless told otherwise. */
const SHARE_OF_CARD = 0.9;

/** What the streams of one interface have in common. */
export type SharedInterface = { readonly budget: Budget; readonly traffic: InterfaceTraffic };

/** What is shared on this machine's interfaces, each made when it is first asked for. */
export class InterfaceBudgets {
  readonly #mostBytesPerSecond: number | undefined;
  readonly #known = new Map<string, SharedInterface>();

  /** @param mostBytesPerSecond of each interface; nine tenths of what its card can send unless told */
  constructor(mostBytesPerSecond?: number) {
    this.#mostBytesPerSecond = mostBytesPerSecond;
  }

  /** That of the interface with this own address. */
  of(interfaceAddress: string): SharedInterface {
    // An interface with several addresses has one budget.
    const name = interfaceWith(interfaceAddress) ?? interfaceAddress;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const shared = {
      budget: new Budget(this.#mostBytesPerSecond ?? cardBytesPerSecond(name) * SHARE_OF_CARD),
      traffic: new InterfaceTraffic(() => sentBytesOf(name)),
    };
    this.#known.set(name, shared);
    return shared;
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
