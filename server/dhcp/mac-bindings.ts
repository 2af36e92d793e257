import type { HostBootSettings } from "../hosts/host-boot-settings.ts";

type Setting = NonNullable<HostBootSettings["netBootImage"]>;

/** Machines whose choice of another server is remembered. */
const REMEMBERED_MACHINES = 10_000;

/**
 * Which Mac is bound to which image. That is a person's setting, and no packet
 * may delete it. But a Mac that chose another server is not caught again by the
 * setting as it stood: it rests until somebody sets it anew, or we restart.
 */
export class MacBindings {
  readonly #resting = new Map<string, Setting>();

  /**
   * @param setting as it is set for the host; undefined: it is not bound
   * @returns the image's id; undefined when nothing is set, it is over, or it rests
   */
  imageOf(mac: string, setting: Setting | undefined, nowMs: number): number | undefined {
    if (setting === undefined || setting.untilMs <= nowMs) return undefined;
    const resting = this.#resting.get(mac);
    if (resting === undefined) return setting.id;
    if (resting.id === setting.id && resting.untilMs === setting.untilMs) return undefined;
    this.#resting.delete(mac);
    return setting.id;
  }

  /** The Mac chose another server. */
  rest(mac: string, setting: Setting): void {
    const [oldest] = this.#resting.keys();
    if (this.#resting.size >= REMEMBERED_MACHINES && oldest !== undefined) this.#resting.delete(oldest);
    this.#resting.set(mac, setting);
  }
}
