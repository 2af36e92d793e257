/** Machines that are remembered at the same time: more than one server boots, and nothing for memory. */
const MOST_MACHINES = 8192;
const FORGET_AFTER_MS = 3_600_000;

type Seen = { readonly mac: string; readonly atMs: number; readonly isApple: boolean };

/**
 * Which machine has which address, from the DHCP packets just seen. TFTP and HTTP know only addresses; settings and
 * the boot trace go by machine.
 *
 * Anybody can send a packet that says anything, so this is bounded and decides nothing about what a machine is given:
 * it names lines of the trace, and block sizes.
 */
export class BootClients {
  /** By address, the one that was seen longest ago first. */
  readonly #byAddress = new Map<string, Seen>();
  readonly #addressOf = new Map<string, string>();
  readonly #now: () => number;
  readonly #most: number;

  constructor(now: () => number, mostMachines: number = MOST_MACHINES) {
    this.#now = now;
    this.#most = mostMachines;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#byAddress.size;
  }

  /**
   * A packet said that this machine has, or is about to have, this address.
   *
   * @param mac lower case with colons
   * @param isApple it speaks BSDP
   */
  saw(mac: string, address: string, isApple = false): void {
    if (address === "0.0.0.0") return;
    const before = this.#byAddress.get(address);
    if (before !== undefined) this.#forget(address, before);
    const previous = this.#addressOf.get(mac);
    const moved = previous === undefined ? undefined : this.#byAddress.get(previous);
    // One address a machine: a client that claims many takes one place.
    if (previous !== undefined && moved !== undefined) this.#forget(previous, moved);
    const wasApple = [before, moved].some((seen) => seen?.mac === mac && seen.isApple);
    this.#byAddress.set(address, { mac, atMs: this.#now(), isApple: isApple || wasApple });
    this.#addressOf.set(mac, address);
    if (this.#byAddress.size <= this.#most) return;
    const [oldest] = this.#byAddress;
    if (oldest !== undefined) this.#forget(...oldest);
  }

  /** The machine that has this address, as far as a packet of the last hour says. */
  macOf(address: string): string | undefined {
    return this.#at(address)?.mac;
  }

  /** The address of this machine, as far as a packet of the last hour says. */
  addressOf(mac: string): string | undefined {
    const address = this.#addressOf.get(mac);
    return address === undefined || this.#at(address) === undefined ? undefined : address;
  }

  /** Whether the machine at this address has asked by BSDP. */
  isApple(address: string): boolean {
    return this.#at(address)?.isApple ?? false;
  }

  #at(address: string): Seen | undefined {
    const seen = this.#byAddress.get(address);
    if (seen === undefined || this.#now() - seen.atMs <= FORGET_AFTER_MS) return seen;
    this.#forget(address, seen);
    return undefined;
  }

  #forget(address: string, { mac }: Seen): void {
    this.#byAddress.delete(address);
    if (this.#addressOf.get(mac) === address) this.#addressOf.delete(mac);
  }
}
