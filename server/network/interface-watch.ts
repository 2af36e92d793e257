import { networkInterfaces } from "node:os";
import type { Logger } from "pino";
import { type ServedInterface, type SystemInterfaces, usableInterfaces } from "./interfaces.ts";

/** Between two looks at the system's interfaces. */
const LOOK_EVERY_MS = 5_000;

/** A part of the server that answers on each interface. */
export type InterfaceService = {
  /** What it is called when it cannot answer there. */
  readonly name: string;
  add(on: ServedInterface): Promise<void>;
  remove(on: ServedInterface): Promise<void>;
};

type WatchOptions = {
  /** Answered on already. */
  readonly served: readonly ServedInterface[];
  /** The interfaces of the configuration; undefined: every one with an IPv4 address that is not loopback. */
  readonly names: readonly string[] | undefined;
  readonly log: Logger;
  /** Hears of each address that came or went. */
  tell?(event: { readonly kind: "server.interface"; readonly data: Readonly<Record<string, string>> }): void;
  /** What `os.networkInterfaces` gives. */
  readonly system?: () => SystemInterfaces;
};

/**
 * Follows the addresses of the interfaces: the services start on one that comes, and stop on one that goes away. A
 * cable that is pulled counts as gone.
 */
export class InterfaceWatch {
  readonly #options: WatchOptions;
  readonly #served: Map<string, ServedInterface>;
  readonly #services: InterfaceService[] = [];
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#served = new Map(options.served.map((one) => [one.name, one]));
  }

  /** The addresses that are answered on now. */
  get served(): ServedInterface[] {
    return [...this.#served.values()];
  }

  /** Takes one more service along; in the order in which they were started. */
  follow(service: InterfaceService): void {
    this.#services.push(service);
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  /** Ends the looks, the running one too. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** One look. One at a time: a service may take seconds to start. */
  look(): Promise<void> {
    this.#looking ??= this.#follow().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #follow(): Promise<void> {
    const { names, system = networkInterfaces } = this.#options;
    const now = system();
    for (const old of this.served) {
      if (now[old.name]?.some((one) => one.address === old.address) !== true) await this.#gone(old);
    }
    const usable = usableInterfaces(now).filter(({ name, isLoopback }) => names?.includes(name) ?? !isLoopback);
    for (const { name, address, netmask } of usable) {
      if (!this.#served.has(name)) await this.#come({ name, address, netmask });
    }
  }

  async #come(on: ServedInterface): Promise<void> {
    this.#served.set(on.name, on);
    this.#tell(on, "come");
    this.#options.log.info({ interface: on.name, address: on.address }, "an address came: it is served from now on");
    for (const service of this.#services) await this.#try(service, on, () => service.add(on));
  }

  async #gone(on: ServedInterface): Promise<void> {
    this.#served.delete(on.name);
    this.#tell(on, "gone");
    const fix = `Nothing is to be done when that was meant. Otherwise look at ${on.name}: its cable, its address.`;
    const line = { interface: on.name, address: on.address, fix };
    this.#options.log.error(line, "a served address is gone: machines on this network get no answer");
    for (const service of this.#services.toReversed()) await this.#try(service, on, () => service.remove(on));
  }

  /** A service that cannot follow does not keep the others from it. */
  async #try(service: InterfaceService, on: ServedInterface, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const line = { err: error, service: service.name, interface: on.name, address: on.address };
      this.#options.log.error(line, "a service could not follow the address");
    }
  }

  #tell({ name, address }: ServedInterface, change: "come" | "gone"): void {
    this.#options.tell?.({ kind: "server.interface", data: { interface: name, address, change } });
  }
}
