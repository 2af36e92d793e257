import { isDeepStrictEqual } from "node:util";
import type { Config, ConfigKey, ConfigValues, Origins } from "./config.ts";

/** Settings that count from the next time that they are needed. All others are read once, when the server starts. */
export const whileRunning: readonly ConfigKey[] = [
  "network.register",
  "boot.kernel_args",
  "boot.pass_server",
  "boot.secure_boot",
  "boot.loaders",
  "images.verify_days",
  // Of the streams that begin from then on.
  "multicast.group",
  "multicast.port",
  "multicast.rate",
  "multicast.encrypt",
  "multicast.jumbo",
  "multicast.mode",
  "hosts.names",
  "hosts.name_sources",
  "hosts.names_csv",
  "hosts.names_bsdp",
  "hosts.approve",
  "hosts.wake_networks",
  "hosts.disk",
  "hosts.alive",
  "hosts.alive_minutes",
  "hosts.wait_minutes",
  "mail.server",
  "mail.port",
  "mail.security",
  "mail.from",
  "mail.user",
  "mail.password_file",
];

/** What became of settings that were read again. */
export type Reloaded = {
  /** Those that are others now. */
  readonly taken: readonly ConfigKey[];
  /** Those that will be others when the server is started again. */
  readonly waiting: readonly ConfigKey[];
};

/** The settings of a running server. Its parts ask `values` each time that they need one. */
export class LiveConfig implements Config {
  readonly dataDir: string;
  readonly #values: Record<string, unknown>;
  #written: Config;

  constructor(config: Config) {
    this.dataDir = config.dataDir;
    this.#values = { ...config.values };
    this.#written = config;
  }

  get values(): ConfigValues {
    return this.#values as ConfigValues;
  }

  get origins(): Origins {
    return this.#written.origins;
  }

  /** Settings that somebody has changed, and that count after a restart. */
  get waiting(): readonly ConfigKey[] {
    return this.#others();
  }

  /** Takes what may change while the server runs. */
  take(next: Config): Reloaded {
    this.#written = next;
    const taken = this.#others().filter((key) => whileRunning.includes(key));
    for (const key of taken) this.#values[key] = next.values[key];
    return { taken, waiting: this.waiting };
  }

  #others(): ConfigKey[] {
    const written = this.#written.values;
    return (Object.keys(written) as ConfigKey[]).filter((key) => !isDeepStrictEqual(this.#values[key], written[key]));
  }
}
