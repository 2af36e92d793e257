import { readFileSync } from "node:fs";
import { OthersMeter } from "../../multicast/others-meter.ts";

/** What others than our streams send through one network interface of this machine. */
export class InterfaceTraffic {
  readonly #sentBytes: () => number | undefined;
  readonly #meter = new OthersMeter();

  /** @param sentBytes all that the interface ever sent; undefined where nobody counts */
  constructor(sentBytes: () => number | undefined) {
    this.#sentBytes = sentBytes;
  }

  /** A stream sent so much through it. */
  addOwn(bytes: number): void {
    this.#meter.addOwn(bytes);
  }

  /** Bytes per second, the mean of the last second; undefined as long as that is not known. */
  others(now: number): number | undefined {
    if (this.#meter.isDue(now)) {
      const all = this.#sentBytes();
      if (all !== undefined) this.#meter.look(all, now);
    }
    return this.#meter.bytesPerSecond;
  }
}

/** Linux: what the interface with this name has sent since it is there, with the headers of its frames. */
export function sentBytesOf(name: string): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/statistics/tx_bytes`, "latin1"));
  } catch {
    return undefined;
  }
}
