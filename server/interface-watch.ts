import { networkInterfaces } from "node:os";
import type { Logger } from "pino";
import type { ServedInterface, SystemInterfaces } from "./interfaces.ts";

/** Between two looks at the system's interfaces. */
const LOOK_EVERY_MS = 5_000;

/**
 * Tells the log when an address that is served goes away, and when it is back. Our sockets stay as they are: they hear
 * nothing until the address returns, and without this line nobody would know why the room stands still.
 */
export class InterfaceWatch {
  readonly #served: readonly ServedInterface[];
  readonly #log: Logger;
  readonly #system: () => SystemInterfaces;
  readonly #missing = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** @param options.system what `os.networkInterfaces` gives */
  constructor(options: {
    readonly served: readonly ServedInterface[];
    readonly log: Logger;
    readonly system?: () => SystemInterfaces;
  }) {
    this.#served = options.served;
    this.#log = options.log;
    this.#system = options.system ?? networkInterfaces;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One look; one line for each address that went or came since the last. */
  look(): void {
    const system = this.#system();
    for (const { name, address } of this.#served) {
      const has = system[name]?.some((one) => one.address === address) ?? false;
      if (has === !this.#missing.has(address)) continue;
      const line = { interface: name, address };
      if (has) {
        this.#missing.delete(address);
        this.#log.info(line, "the served address is back");
      } else {
        this.#missing.add(address);
        const fix = `Give ${name} the address ${address} again; for another address, start bootcast again.`;
        this.#log.error({ ...line, fix }, "the served address is gone: machines on this network get no answer");
      }
    }
  }
}
