/**
 * What is known about one address.
 *
 * - `offered`: held for a client that has not asked for it yet; not worth saving.
 * - `bound`: in use until `untilMs`, and kept for the same client after that.
 * - `released`: given back; the same client gets it again unless it is needed.
 * - `declined`: somebody else uses it; not given out before `untilMs`.
 */
export type Lease = {
  readonly address: string;
  /** The client's hardware address, lower case with colons. */
  readonly mac: string;
  readonly state: "offered" | "bound" | "released" | "declined";
  /** When the state ends, in the caller's milliseconds. */
  readonly untilMs: number;
};
