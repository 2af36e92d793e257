/** "1 of 2 hosts ready"; empty when enough are. */
export function wordsBeforeStart(ready: number, waitFor: number): string {
  return ready >= waitFor ? "" : `${ready} of ${waitFor} ${waitFor === 1 ? "host" : "hosts"} ready`;
}

/** Why a stream that has started sends nothing but canaries; empty when it does not. Each reason once. */
export function wordsWhileStreaming(holds: readonly string[], isBurstOn: boolean): string {
  const burst = isBurstOn ? ["a burst of canaries shows what the network loses"] : [];
  return [...new Set([...holds, ...burst])].join("; ");
}

/** "1 of 2 hosts have still to report the end"; empty when all have. */
export function wordsAfterEnd(active: number, size: number): string {
  return active === 0 ? "" : `${active} of ${size} ${size === 1 ? "host has" : "hosts have"} still to report the end`;
}
