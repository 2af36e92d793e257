/** What is remembered of a host's other claims, and for how long people are not told again. */
const KEPT_MS = 10 * 60_000;
/** Requests of the host itself that were under way when it registered again. */
const UNDERWAY_MS = 2_000;
/** More hosts than this have no claims at the same time, unless somebody makes them up. */
const MOST = 5_000;

type Claims = {
  /** When another machine was refused first. */
  refusedMs?: number;
  /** The key that the host had before it registered last. */
  replaced?: { readonly hash: string; readonly atMs: number };
  toldMs?: number;
};

/**
 * Whether two machines say that they are the same host. One alone that was switched off and on looks the same at first;
 * it is certain when the first one is heard again after the second one spoke. Decides only; each host is told of once
 * in ten minutes.
 */
export class SecondMachines {
  readonly #hosts = new Map<string, Claims>();

  /**
   * Another machine was refused the place of a host.
   *
   * @param heardMs when the host was heard last
   * @returns whether people are to be told now
   */
  refused(hostId: string, heardMs: number, nowMs: number): boolean {
    const claims = this.#of(hostId);
    const { refusedMs } = claims;
    if (refusedMs === undefined || Math.abs(nowMs - refusedMs) > KEPT_MS) {
      claims.refusedMs = nowMs;
      return false;
    }
    return heardMs > refusedMs && this.#tell(claims, nowMs);
  }

  /** A machine took the place of a host; it has another key from now on. @param hash of the key that ends */
  replaced(hostId: string, hash: string, nowMs: number): void {
    const claims = this.#of(hostId);
    claims.replaced = { hash, atMs: nowMs };
    delete claims.refusedMs;
  }

  /** Whether this was the host's key, before another machine took its place. */
  isReplaced(hostId: string, hash: string): boolean {
    return this.#hosts.get(hostId)?.replaced?.hash === hash;
  }

  /** Somebody speaks with a key that is not the host's. @returns whether people are to be told now */
  spoke(hostId: string, hash: string, nowMs: number): boolean {
    const claims = this.#hosts.get(hostId);
    const replaced = claims?.replaced;
    if (claims === undefined || replaced?.hash !== hash) return false;
    return nowMs - replaced.atMs > UNDERWAY_MS && this.#tell(claims, nowMs);
  }

  #tell(claims: Claims, nowMs: number): boolean {
    if (claims.toldMs !== undefined && Math.abs(nowMs - claims.toldMs) < KEPT_MS) return false;
    claims.toldMs = nowMs;
    return true;
  }

  #of(hostId: string): Claims {
    const claims = this.#hosts.get(hostId) ?? {};
    // The newest are at the end.
    this.#hosts.delete(hostId);
    this.#hosts.set(hostId, claims);
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > MOST && oldest !== undefined) this.#hosts.delete(oldest);
    return claims;
  }
}
