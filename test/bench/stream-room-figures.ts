/** What every case is done with. */
export type Site = {
  readonly directory: string;
  readonly image: string;
  readonly imageBytes: number;
  readonly megabitsPerSecond: number;
  /** What `bundleHost` made. */
  readonly hostProgram: string;
  digestOf(path: string): Promise<string>;
};

/** One measured number, and what it is to be. */
export type Figure = {
  readonly what: string;
  readonly value: number;
  readonly goal: string;
  isReached(value: number): boolean;
};

export const atMost = (what: string, value: number, most: number): Figure => ({
  what,
  value,
  goal: `≤ ${most}`,
  isReached: (found) => found <= most,
});
export const atLeast = (what: string, value: number, least: number): Figure => ({
  what,
  value,
  goal: `≥ ${least}`,
  isReached: (found) => found >= least,
});
