/** What decides whether a server certificate is still good. */
export type CertificateNow = {
  /** Signed by the authority that there is now. */
  readonly isOurs: boolean;
  readonly names: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
};

/**
 * Whether a new server certificate is due: the last third of its time has begun, it is not valid yet (the clock was
 * wrong when it was made), or the server has a name that it does not have.
 */
export function needsNewCertificate(now: CertificateNow, wanted: readonly string[], nowMs: number): boolean {
  if (!now.isOurs || nowMs < now.fromMs) return true;
  if (nowMs >= now.untilMs - (now.untilMs - now.fromMs) / 3) return true;
  return wanted.some((name) => !now.names.includes(name));
}
